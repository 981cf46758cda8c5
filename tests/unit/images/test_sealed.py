"""A sealed program sees what it was given, writes where it may, and has no network."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from skerry.base.errors import ProcessError
from skerry.base.paths import find_checkout
from skerry.images.sealed import Bind, run_sealed

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces with mounts")
SHELL = "/bin/sh"


def say(script: str, tmp_path: Path, *binds: Bind, **env: str) -> str:
    """Run a shell script, with this machine's own root as the root it gets programs from."""
    log = tmp_path / "log"
    run_sealed(
        [SHELL, "-c", script],
        binds=binds,
        env={"PATH": "/usr/bin:/bin", **env},
        cwd="/",
        log=log,
        root=Path("/"),
        deadline_s=30,
    )
    return log.read_text()


def test_it_sees_its_folders_and_nothing_else_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "file").write_text("inside\n")
    (tmp_path / "secret").write_text("outside\n")
    said = say("cat /build/given/file; ls /; ls /build", tmp_path, Bind(tmp_path / "given", "/build/given"))
    assert said.startswith("inside\n")
    assert {"root", "home", "var", "proc", "work"}.isdisjoint(said.split())
    assert "secret" not in say(f"ls -R {tmp_path} 2>&1; true", tmp_path).replace(str(tmp_path), "")


def test_only_what_is_marked_writable_can_be_written(tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    script = "echo x > /build/in/a; echo x > /build/out/b; echo x > /etc/c; echo x > /d; echo x > /tmp/e; true"
    said = say(
        script, tmp_path, Bind(tmp_path / "in", "/build/in"), Bind(tmp_path / "out", "/build/out", writable=True)
    )
    assert said.lower().count("read-only file system") == 4
    assert list((tmp_path / "in").iterdir()) == []
    assert (tmp_path / "out" / "b").read_text() == "x\n"


def test_it_has_no_network(tmp_path: Path) -> None:
    script = "bash -c 'exec 3<>/dev/tcp/192.0.2.1/80' 2>&1; bash -c 'exec 3<>/dev/tcp/127.0.0.1/80' 2>&1; true"
    said = say(script, tmp_path)
    assert "/dev/tcp/192.0.2.1/80: Network is unreachable" in said
    assert "/dev/tcp/127.0.0.1/80: Network is unreachable" in said


def test_its_environment_is_what_was_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "leaked")
    said = say("env", tmp_path, GIVEN="yes")
    assert "GIVEN=yes" in said
    assert "leaked" not in said


def test_its_failure_is_ours_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ProcessError) as caught:
        say("echo no such header; exit 3", tmp_path)
    assert caught.value.code == "images.step_failed"
    assert "no such header" in caught.value.message


def test_nothing_of_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "places").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "places"))
    say("true", tmp_path)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    assert list((tmp_path / "places").iterdir()) == []


BEAT = "(while :; do echo x >> /build/out/beat; sleep 0.05; done) & wait"
KILLED = """
import sys
from pathlib import Path
from skerry.images.sealed import Bind, run_sealed
out = Path(sys.argv[1])
run_sealed(
    ["/bin/sh", "-c", sys.argv[2]], binds=[Bind(out, "/build/out", writable=True)], env={"PATH": "/usr/bin:/bin"},
    cwd="/", log=out / "log", root=Path("/"), deadline_s=60,
)
"""


def test_nothing_of_it_goes_on_when_the_builder_is_killed(tmp_path: Path) -> None:
    beat, deadline = tmp_path / "beat", time.monotonic() + 30
    words = [sys.executable, "-c", KILLED, str(tmp_path), BEAT]
    variables = {**os.environ, "PYTHONPATH": str(find_checkout().root / "src")}  # noqa: TID251  a child's, like ours
    child = os.posix_spawn(sys.executable, words, variables)
    while not beat.exists():
        assert time.monotonic() < deadline, "the program did not start"
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    time.sleep(0.5)
    size = beat.stat().st_size
    time.sleep(0.5)
    assert beat.stat().st_size == size
