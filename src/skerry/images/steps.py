"""What every step of a build needs: a log whose end is shown when it fails, and a lock that dies with its process."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from skerry.base import process
from skerry.base.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

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
