"""The door of both workers: `python -m skerry.worker system | agent | health`.

Contract: `agent` loads nothing that knows a database, so that a pool's container stays small and without such code in
memory. `health` says whether the worker in this container has turned its event loop lately.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MODULES: Final = {"system": "skerry.system_worker", "agent": "skerry.agent.process"}
ALIVE: Final = Path("/tmp/skerry/alive")  # noqa: S108  the container's own tmpfs
SILENCE_S: Final = 20.0
USAGE: Final = 2


def is_alive(path: Path = ALIVE) -> bool:
    """Return whether the worker has touched its sign of life within SILENCE_S."""
    try:
        return time.time() - path.stat().st_mtime < SILENCE_S
    except FileNotFoundError:
        return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker that is named; return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["health"]:
        return 0 if is_alive() else 1
    if len(words) != 1 or words[0] not in MODULES:
        sys.stderr.write("usage: python -m skerry.worker system | agent | health\n")
        return USAGE
    status: int = import_module(MODULES[words[0]]).main()
    return status


if __name__ == "__main__":
    sys.exit(main())
