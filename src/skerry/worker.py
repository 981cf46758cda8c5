"""The door of both workers: `python -m skerry.worker system | agent | health`.

Contract: `agent` is the first process of a pool's container: it keeps the worker itself running as a child, begins it
anew when it was killed, buries orphans that tools left, and passes SIGTERM on. Neither loads anything that knows a
database, so that a pool's container stays small and without such code in memory. `health` says whether the worker in
this container has turned its event loop lately.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

AGENT_CHILD: Final = "agent-child"
MODULES: Final = {"system": "skerry.system_worker", AGENT_CHILD: "skerry.agent.process"}
ALIVE: Final = Path("/tmp/skerry/alive")  # noqa: S108  the container's own tmpfs
SILENCE_S: Final = 20.0
USAGE: Final = 2
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 10.0
STEADY_S: Final = 30.0
"""A child that ran for so long is begun again at once; one that ends sooner waits longer each time."""


def is_alive(path: Path = ALIVE) -> bool:
    """Return whether the worker has touched its sign of life within SILENCE_S."""
    try:
        return time.time() - path.stat().st_mtime < SILENCE_S
    except FileNotFoundError:
        return False


class Keeper:
    """Keeps one program running as a child until it is told to stop."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._child = 0
        self._stopping = False

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; return the child's exit status then."""
        for number in SIGNALS:
            signal.signal(number, self._stop)
        pause = FIRST_PAUSE_S
        while True:
            begun = time.monotonic()
            status = self._run_child()
            if self._stopping:
                return max(status, 0)
            pause = FIRST_PAUSE_S if time.monotonic() - begun > STEADY_S else min(pause * 2, LONGEST_PAUSE_S)
            sys.stderr.write(f"the worker ended with {status}; it begins anew in {pause:.1f} s\n")
            time.sleep(pause)

    def _run_child(self) -> int:
        """Run the child to its end, burying whatever else ends; return its exit status, negative for a signal."""
        self._begin_child()
        if self._stopping:  # told between two children
            self._pass_on()
        while True:
            ended, status = os.wait()
            if ended == self._child:
                self._child = 0
                return os.waitstatus_to_exitcode(status)

    def _begin_child(self) -> None:
        # Held back meanwhile, so that no signal meets a child that is still us.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        child = os.fork()
        if child == 0:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            os.execv(self._command[0], self._command)  # noqa: S606  our own program, with our own environment
        self._child = child
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._pass_on()

    def _pass_on(self) -> None:
        if self._child:
            os.kill(self._child, signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker that is named; return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["health"]:
        return 0 if is_alive() else 1
    if words == ["agent"]:
        return Keeper([sys.executable, "-m", "skerry.worker", AGENT_CHILD]).run()
    if len(words) != 1 or words[0] not in MODULES:
        sys.stderr.write("usage: python -m skerry.worker system | agent | health\n")
        return USAGE
    status: int = import_module(MODULES[words[0]]).main()
    return status


if __name__ == "__main__":
    sys.exit(main())
