"""base: canonical JSON, clock, processes, atomic files, progress."""

from __future__ import annotations

import io
import os
import re
import signal
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from skerry.base import canonical, clock, paths, process, progress
from skerry.base.errors import InvalidInputError, PreconditionError, ProcessError, SkerryError
from skerry.base.progress import Progress


def test_canonical_json_sorts_and_keeps_unicode() -> None:
    assert canonical.canonical_json({"b": [1, None, True], "a": "ß"}) == '{"a":"ß","b":[1,null,true]}'.encode()


@pytest.mark.parametrize("value", [1.5, [0.0], {"a": {"b": 2.0}}])
def test_canonical_json_refuses_floats(value: object) -> None:
    with pytest.raises(InvalidInputError) as raised:
        canonical.canonical_json(value)
    assert raised.value.code == "canonical.float"


def test_file_digest_equals_bytes_digest(tmp_path: Path) -> None:
    data = os.urandom(canonical.CHUNK_BYTES + 7)
    (tmp_path / "f").write_bytes(data)
    assert canonical.sha256_file(tmp_path / "f") == canonical.sha256_hex(data)


def test_rfc3339_is_utc_with_z() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=1)))
    assert clock.rfc3339(moment) == "2026-01-02T02:04:05.000006Z"
    assert clock.now().tzinfo is UTC
    with pytest.raises(ValueError, match="zone"):
        clock.rfc3339(moment.replace(tzinfo=None))


def test_run_says_what_the_program_said() -> None:
    with pytest.raises(ProcessError) as raised:
        process.run(["sh", "-c", "echo out; echo bad >&2; exit 3"])
    assert raised.value.code == "process.failed"
    assert "3: bad" in raised.value.message


def test_run_gives_input_and_returns_output() -> None:
    assert process.run(["cat"], stdin="text").stdout == "text"
    assert process.run(["sh", "-c", "exit 4"], check=False).status == 4


def test_run_names_a_missing_program() -> None:
    with pytest.raises(PreconditionError) as raised:
        process.run(["no-such-program-here"])
    assert raised.value.code == "process.missing_program"


def test_deadline_ends_the_whole_group(tmp_path: Path) -> None:
    """A grandchild that would outlive its parent must be gone too."""
    marker = tmp_path / "pid"
    with pytest.raises(ProcessError) as raised:
        process.run(["sh", "-c", f"sleep 60 & echo $! > {marker}; wait"], deadline_s=0.5)
    assert raised.value.code == "process.deadline"
    assert_gone(int(marker.read_text()))


def test_interrupt_ends_the_whole_group(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        process.run(["sh", "-c", f"sleep 60 & echo $! > {marker}; wait"])
    assert_gone(int(marker.read_text()))


def assert_gone(pid: int) -> None:
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.1)
    raise AssertionError(f"process {pid} is still there")


def test_atomic_write_leaves_no_part(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    paths.write_atomic(target, b"one", mode=0o600)
    paths.write_atomic(target, b"two", mode=0o600)
    assert target.read_bytes() == b"two"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in target.parent.iterdir()] == ["file"]


def test_cache_root_follows_the_environment(tmp_path: Path) -> None:
    assert paths.default_cache({"SKERRY_CACHE": str(tmp_path)}) == tmp_path


def test_checkout_is_found_and_its_lack_is_named(tmp_path: Path) -> None:
    assert paths.find_checkout().release.is_file()
    with pytest.raises(PreconditionError) as raised:
        paths.find_checkout(tmp_path)
    assert raised.value.code == "paths.no_checkout"


def test_a_long_step_shows_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REMIND_S", 0.05)
    out = io.StringIO()
    with Progress(out).step("build ollama"):
        deadline = time.monotonic() + 20
        while out.getvalue().count("\n") < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
    lines = out.getvalue().splitlines()
    assert all(re.fullmatch(r"  \.\. build ollama  \d+ s", line) for line in lines[1:3])
    assert lines[-1].startswith("  ok     build ollama")


def test_progress_prints_plain_lines_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    told = Progress(out)
    with told.step("build"):
        pass
    with pytest.raises(SkerryError), told.step("break"):
        raise SkerryError("x.y", "no")
    lines = out.getvalue().splitlines()
    assert lines[0] == "  .. build"
    assert lines[1].startswith("  ok     build")
    assert lines[3].startswith("  failed break")
