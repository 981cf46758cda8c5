"""Serves the API: `python -m skerry.app`.

Contract: this process watches one worker process and starts it again should it die, so it imports nothing of the
product that it does not need; the worker builds skerry.application.
"""

from __future__ import annotations

import sys
from typing import Final

from granian import Granian
from granian.constants import Interfaces

from skerry.base.errors import SkerryError
from skerry.kit import logs
from skerry.kit.settings import load_settings

APPLICATION: Final = "skerry.application:make_application"
DRAIN_S: Final = 15
"""How long requests in progress have after SIGTERM; the service's stop_timeout_s is longer."""


def main() -> int:
    """Serve until SIGTERM or SIGINT, then let requests in progress end; a failure to start is two lines."""
    try:
        settings = load_settings()
    except SkerryError as error:
        sys.stderr.write(f"{error}\n{error.hint}\n")
        return 1
    logs.set_up(settings.log_level)
    Granian(
        APPLICATION,
        factory=True,
        address=settings.listen.host,
        port=settings.listen.port,
        interface=Interfaces.ASGI,
        workers=1,
        websockets=True,
        log_enabled=False,
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_S,
    ).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
