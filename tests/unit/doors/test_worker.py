"""The workers' door: a sign of life, and no more loaded than a role needs."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from skerry import worker
from skerry.base.process import run

if TYPE_CHECKING:
    from pathlib import Path


def test_a_sign_of_life_ages(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    assert not worker.is_alive(path)
    path.touch()
    assert worker.is_alive(path)
    old = time.time() - worker.SILENCE_S - 1
    os.utime(path, (old, old))
    assert not worker.is_alive(path)


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["nobody"], ["agent", "more"]):
        assert worker.main(words) == worker.USAGE
    assert "system | agent | health" in capsys.readouterr().err


def test_the_agent_loads_nothing_that_knows_a_database() -> None:
    code = "import sys, skerry.worker, skerry.agent.process; print(' '.join(sorted(sys.modules)))"
    loaded = set(run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).stdout.split())
    assert "temporalio" in loaded
    assert not loaded & {"sqlalchemy", "psycopg", "redis", "fastapi", "jwt", "obstore", "skerry.kit", "skerry.tables"}


def test_health_loads_next_to_nothing() -> None:
    code = "import sys, skerry.worker; print(' '.join(sorted(sys.modules)))"
    loaded = set(run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).stdout.split())
    assert not loaded & {"temporalio", "httpx", "asyncio", "sqlalchemy"}


KEEP = "import sys; from skerry.worker import Keeper; sys.exit(Keeper(sys.argv[1:]).run())"
CHILD = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
orphan = subprocess.Popen(["/bin/sh", "-c", "sleep 0.1 & exec true"])
with open(sys.argv[1], "a") as stream:
    stream.write(f"{os.getpid()}\\n")
time.sleep(60)
"""


def pids_in(path: Path, count: int) -> list[int]:
    """Return the pids in the file, once there are `count`."""
    end = time.monotonic() + 20
    while not path.exists() or len(path.read_text().split()) < count:
        assert time.monotonic() < end
        time.sleep(0.02)
    return [int(word) for word in path.read_text().split()]


def test_a_killed_child_is_begun_anew_and_a_told_one_ends(tmp_path: Path) -> None:
    path = tmp_path / "pids"
    words = [sys.executable, "-c", KEEP, sys.executable, "-c", CHILD, str(path)]
    keeper = os.posix_spawn(sys.executable, words, {"PYTHONPATH": ":".join(sys.path)})
    try:
        first = pids_in(path, 1)[0]
        os.kill(first, signal.SIGKILL)
        second = pids_in(path, 2)[1]
        assert second != first
        os.kill(keeper, signal.SIGTERM)
        _, status = os.waitpid(keeper, 0)
        assert os.waitstatus_to_exitcode(status) == 7
        with pytest.raises(ProcessLookupError):
            os.kill(second, 0)
    finally:
        with suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGKILL)
