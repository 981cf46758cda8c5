"""Sends an answer's text on while it is still being made: the first piece at once, then every 25 ms or 1 KiB.

Contract: pieces leave in order, numbered from 0 within (execution, step, attempt), one request under way at a time;
while it is, text gathers and goes as one piece. `finish` returns when everything has been taken in, or raises what
stopped it.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

INTERVAL_S: Final = 0.025
SIZE_CHARS: Final = 1024


class Send(Protocol):
    """Takes pieces in: `[{"n": int, "content": str}, ...]`."""

    async def __call__(self, chunks: list[dict[str, Any]], /) -> None: ...


class ChunkSender:
    """Gathers text and hands it to `send` from a task of its own, so that the model is never waited for."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._parts: list[str] = []
        self._chars = 0
        self._count = 0
        self._closing = False
        self._news = asyncio.Event()
        self._full = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def say(self, text: str) -> None:
        """Take text. Raises what stopped the sender, if it has stopped."""
        if self._task.done():
            self._task.result()
        self._parts.append(text)
        self._chars += len(text)
        self._news.set()
        if self._chars >= SIZE_CHARS:
            self._full.set()

    async def finish(self) -> int:
        """Send what is left; return how many pieces were sent in all."""
        self._closing = True
        self._news.set()
        self._full.set()
        await self._task
        return self._count

    async def abandon(self) -> None:
        """Stop without sending what is left (the attempt has failed)."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            if text := self._take():
                await self._send([{"n": self._count, "content": text}])
                self._count += 1
            elif self._closing:
                return
            await self._pause()

    def _take(self) -> str:
        text = "".join(self._parts)
        self._parts.clear()
        self._chars = 0
        self._full.clear()
        if not self._closing:
            self._news.clear()
        return text

    async def _pause(self) -> None:
        if self._closing:
            return
        try:
            await asyncio.wait_for(self._full.wait(), INTERVAL_S)
        except TimeoutError:
            return
