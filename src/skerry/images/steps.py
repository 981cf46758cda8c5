"""What every step of a build needs: a log whose end is shown when it fails; a lock and a folder that die with it."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from skerry.base import process
from skerry.base.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

TAIL_LINES = 15
TAIL_BYTES = 64 << 10


def run_logged(
    arguments: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    deadline_s: float = process.DEFAULT_DEADLINE_S,
) -> None:
    """Run a program with its output in `log` (replaced).

    Raises:
        ProcessError: `images.step_failed` with the log's last lines and its path; `process.deadline`.
        PreconditionError: `process.missing_program`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        done = process.run(arguments, cwd=cwd, env=env, deadline_s=deadline_s, check=False, log=stream)
    if done.status != 0:
        raise ProcessError(
            "images.step_failed",
            f"{arguments[0]} ended with {done.status}:\n{tail(log)}",
            f"the whole log: {log}",
        )


def tail(log: Path) -> str:
    """Return the last lines of a log, indented."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
        lines = stream.read().decode(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])


@contextmanager
def exclusive(file: Path, *, waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold a lock on `file` against other processes; the kernel drops it when the process ends.

    Args:
        file: made when it is missing, never removed.
        waiting: called once when another process holds the lock, before waiting for it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def scratch(prefix: str, *, parent: Path | None = None) -> Iterator[Path]:
    """Give a folder to work in, removed at the end; those of the same prefix whose process was killed go first.

    Args:
        prefix: of its name, which says whose it is (`sealed.`).
        parent: an existing folder; the machine's temporary folder when None.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    for left in place.glob(f"{prefix}*"):
        _remove_abandoned(left)
    folder, handle = _make_held(place, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(handle)


def _make_held(place: Path, prefix: str) -> tuple[Path, int]:
    """Make a folder that is locked until its handle is closed, or its process ends in whatever way."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=place, prefix=prefix))
        # Another process may take it for abandoned before it is ours, and remove it: then once more.
        with suppress(FileNotFoundError):
            handle = _hold(folder)
            if folder.exists():
                return folder, handle
            os.close(handle)


def _hold(folder: Path, *, wait: bool = True) -> int:
    """Lock a folder and return the handle.

    Raises:
        FileNotFoundError: it is gone. BlockingIOError: another one holds it, and not `wait`.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(handle)
        raise
    return handle


def _remove_abandoned(folder: Path) -> None:
    with suppress(OSError):  # held by its process, gone meanwhile, no folder, or somebody else's
        handle = _hold(folder, wait=False)
        try:
            shutil.rmtree(folder)
        finally:
            os.close(handle)
