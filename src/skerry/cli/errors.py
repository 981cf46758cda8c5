"""The one boundary between our errors and a terminal: two lines, a status, and a traceback only when asked for."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, TextIO

from typer import Abort, Exit
from typer.exceptions import TyperException

from skerry.base.errors import SkerryError
from skerry.host.preflight import PreflightError

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED = 1
INTERRUPTED = 130
DEBUG = "--debug"


def run(command: Callable[[], object], *, debug: bool = False, stream: TextIO | None = None) -> int:
    """Run a command and return its exit status.

    Args:
        command: returns None, or an exit status as a whole number; usage errors are typer's own.
        debug: show the traceback of a failure after its two lines.
        stream: where failures go; standard error when None.

    A SkerryError is two lines (what happened, what to do) and status 1, a usage error status 2, Ctrl-C one line and
    130. Anything else is a fault of ours: it is said so, with status 1.
    """
    out = stream if stream is not None else sys.stderr
    try:
        status = command()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the last line of defence: never a bare traceback
        status = report(error, out)
        if debug and status == FAILED:
            traceback.print_exc(file=out)
    return status if isinstance(status, int) else 0


def report(error: BaseException, out: TextIO) -> int:
    """Say what a failure means to people and return the exit status it stands for."""
    match error:
        case PreflightError():
            for finding in error.findings:
                _tell(out, finding.message, finding.hint, finding.code)
        case SkerryError():
            _tell(out, error.message, error.hint, error.code)
        case Exit():
            return error.exit_code
        case TyperException():
            context = getattr(error, "ctx", None)
            path = context.command_path if context is not None else "skerry"
            # Without a message it is a group named alone, whose help is on the screen already.
            if message := error.format_message():
                _tell(out, message, f"`{path} --help` shows how it is used", "")
            return error.exit_code
        case KeyboardInterrupt() | Abort():
            out.write("\ninterrupted; the same command again goes on from here\n")
            return INTERRUPTED
        case BrokenPipeError():
            # Whoever read our output has gone; there is nobody to tell.
            pass
        case _:
            hint = f"this is a fault in Skerry; {DEBUG} shows where"
            _tell(out, f"unexpected {type(error).__name__}: {error}", hint, "")
    return FAILED


def _tell(out: TextIO, message: str, hint: str, code: str) -> None:
    first = " ".join(message.split())
    out.write(f"error: {first}" + (f" [{code}]" if code else "") + "\n")
    out.write(f"  {' '.join(hint.split()) or 'nothing more is known'}\n")
