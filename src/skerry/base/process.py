"""One process runner: list arguments, never a shell, a deadline, and one error that says what the program said.

Contract: `run` returns a Completed or raises ProcessError. The program runs in a process group of its own,
which is ended as a whole when the deadline passes or the caller is interrupted, so nothing it started is left
behind.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess  # noqa: TID251  the one place
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from skerry.base.errors import PreconditionError, ProcessError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DEFAULT_DEADLINE_S = 600.0
TAIL_CHARS = 2000
GRACE_S = 5.0


@dataclass(frozen=True)
class Completed:
    """What a finished program left: its exit status and its two outputs as text."""

    status: int
    stdout: str
    stderr: str


def want_program(name: str, *, hint: str = "") -> str:
    """Return the full path of a program on PATH.

    Raises:
        PreconditionError: `process.missing_program` when there is none.
    """
    found = shutil.which(name)
    if found is None:
        raise PreconditionError(
            "process.missing_program",
            f"the program {name!r} is not installed",
            hint or f"install the package of {name}",
        )
    return found


def run(  # noqa: PLR0913  one door for every program, each option independent
    arguments: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | bytes | None = None,
    deadline_s: float = DEFAULT_DEADLINE_S,
    check: bool = True,
    log: IO[bytes] | None = None,
) -> Completed:
    """Run a program to its end.

    Args:
        arguments: program and arguments; no shell ever sees them.
        cwd: folder to run in; ours when None.
        env: variables set on top of ours.
        stdin: text or bytes for its standard input; empty when None.
        deadline_s: seconds until its process group is ended.
        check: raise when the exit status is not 0.
        log: a binary file that receives both outputs as they come; the result's `stdout` and `stderr` are then empty.

    Raises:
        ProcessError: `process.failed` (exit status, with the end of what it said), `process.deadline`.
        PreconditionError: `process.missing_program`.
    """
    words = [str(argument) for argument in arguments]
    sink: int | IO[bytes] = subprocess.PIPE if log is None else log
    full_env = {**os.environ, **env} if env is not None else None  # noqa: TID251  children inherit, nothing is read
    try:
        child = subprocess.Popen(
            words,
            cwd=cwd,
            env=full_env,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.PIPE if log is None else subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise PreconditionError(
            "process.missing_program",
            f"the program {words[0]!r} is not installed",
            f"install the package of {words[0]}",
        ) from error
    data = stdin.encode() if isinstance(stdin, str) else stdin
    with child:  # closes the pipes whatever happens
        try:
            out, err = child.communicate(data, timeout=deadline_s)
        except subprocess.TimeoutExpired as error:
            _end_group(child)
            raise ProcessError(
                "process.deadline",
                f"{_short(words)} did not end within {deadline_s:.0f} s",
                "look at what it waits for, or raise the deadline",
            ) from error
        except BaseException:
            _end_group(child)
            raise
    done = Completed(child.returncode, (out or b"").decode(errors="replace"), (err or b"").decode(errors="replace"))
    if check and done.status != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-TAIL_CHARS:]
        raise ProcessError("process.failed", f"{_short(words)} ended with {done.status}: {said}", "see what it said")
    return done


def _end_group(child: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            break
        try:
            child.wait(GRACE_S)
            break
        except subprocess.TimeoutExpired:
            continue
    child.wait()


def _short(words: Sequence[str]) -> str:
    text = " ".join(words)
    return text if len(text) <= TAIL_CHARS // 10 else text[: TAIL_CHARS // 10] + " ..."
