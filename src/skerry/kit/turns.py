"""Turns: how many requests of one kind are begun at a time.

Contract: a plain ASGI middleware. Requests of its paths wait, in the order in which they came, for one of a few turns.
A turn ends when the answer begins, so an answer that goes on for hours holds none. A crowd of clients that come back at
once (every stream, after a restart) then neither takes all database connections nor outlasts the deadlines of its own
policy decisions: who waits here has not begun.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from skerry.base.errors import UnavailableError
from skerry.kit.problems import respond

if TYPE_CHECKING:
    import re

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

WAIT_S: Final = 60.0
"""Who has waited so long is told to come again."""


class Turns:
    """Gives requests whose path fits `path` one of `at_once` turns each."""

    def __init__(self, app: ASGIApp, *, path: re.Pattern[str], at_once: int) -> None:
        self._app = app
        self._path = path
        self._free = asyncio.Semaphore(at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not self._path.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            await respond(_busy())(scope, receive, send)
            return
        held = True

        def end_turn() -> None:
            nonlocal held
            if held:
                held = False
                self._free.release()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                end_turn()
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            end_turn()


def _busy() -> UnavailableError:
    return UnavailableError("server.busy", f"too many came at once: no turn within {WAIT_S:.0f} s", "try again")
