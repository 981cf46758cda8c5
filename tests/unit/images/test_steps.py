"""A failing step shows the end of its log and where the whole of it is; locks and folders die with their holder."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from skerry.base import clock, process
from skerry.base.errors import ProcessError
from skerry.images.steps import exclusive, run_logged, scratch

if TYPE_CHECKING:
    from pathlib import Path


def test_the_end_of_the_log_and_its_place(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "step.log"
    with pytest.raises(ProcessError) as raised:
        run_logged(["sh", "-c", "seq 1 100; echo why >&2; exit 3"], log=log)
    assert raised.value.code == "images.step_failed"
    assert "ended with 3" in raised.value.message
    assert raised.value.message.splitlines()[-1].strip() == "why"
    assert "    50" not in raised.value.message
    assert str(log) in raised.value.hint
    assert log.read_text().startswith("1\n2\n")


def test_a_good_step_keeps_its_log(tmp_path: Path) -> None:
    run_logged(["sh", "-c", "echo done in $PWD with $WORD"], log=tmp_path / "log", cwd=tmp_path, env={"WORD": "it"})
    assert (tmp_path / "log").read_text() == f"done in {tmp_path} with it\n"


def test_one_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []
    inside, may_leave = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusive(tmp_path / "lock"):
            inside.set()
            may_leave.wait(5)
            order.append("first")

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(5)
    waits = threading.Event()
    waiter = threading.Thread(target=lambda: _take(tmp_path, order, waits))
    waiter.start()
    assert waits.wait(5), "who waits is told so"
    may_leave.set()
    holder.join(5)
    waiter.join(5)
    assert order == ["first", "second"]


def _take(folder: Path, order: list[str], waits: threading.Event) -> None:
    with exclusive(folder / "lock", waiting=waits.set):
        order.append("second")


def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    code = "import fcntl, os, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); os.kill(os.getpid(), 9)"
    process.run([sys.executable, "-c", code, tmp_path / "lock"], check=False)
    start = clock.monotonic()
    with exclusive(tmp_path / "lock"):
        assert clock.monotonic() - start < 1


def test_a_folder_to_work_in_goes_and_another_ones_stays(tmp_path: Path) -> None:
    with scratch("work.", parent=tmp_path) as first, scratch("work.", parent=tmp_path) as second:
        (second / "file").touch()
        assert first.is_dir()
        assert first != second
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_one_left_goes_when_the_next_begins(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from skerry.images.steps import scratch\n"
        "with scratch('work.', parent=Path(sys.argv[1])) as folder:\n"
        "    (folder / 'file').touch()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    variables = {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = process.run([sys.executable, "-c", code, tmp_path], env=variables, check=False)
    assert killed.status == -9
    [left] = tmp_path.iterdir()
    (tmp_path / "work.link").symlink_to(tmp_path)
    (tmp_path / "working").mkdir()
    with scratch("work.", parent=tmp_path) as folder:
        assert folder != left
        assert not left.exists()
    assert {place.name for place in tmp_path.iterdir()} == {"work.link", "working"}
