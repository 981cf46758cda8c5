"""A bell: says that there is news under a name, over Redis when it is there, and never says what the news is.

Contract: `ring` returns at once and cannot fail; who waits in this process hears it directly, who waits elsewhere
through Redis. A bell that is lost costs time, not news: every waiter also wakes by itself (`wait` has a deadline) and
then reads PostgreSQL, which is the truth. Channels start with `skerry:`, which the Redis user is held to.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio.client import PubSub

    from skerry.kit.settings import Settings

log = logging.getLogger(__name__)

PREFIX: Final = "skerry:bell:"
SOCKET_DEADLINE_S: Final = 1.0
PAUSE_S: Final = 1.0
"""Between two tries to reach Redis."""
IDLE_S: Final = 5.0
"""Longest silence before the listening connection is tried with a PING."""


class Listener:
    """One waiter for one name."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    def ring(self) -> None:
        """Wake the waiter, now or at its next wait."""
        self._news.set()

    async def wait(self, deadline_s: float | None) -> bool:
        """Return True on news, False when `deadline_s` seconds passed without any; None waits for ever."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), deadline_s)
        heard = self._news.is_set()
        self._news.clear()
        return heard


class Bell:
    """Rings and hears names; one connection each way."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._listeners: dict[str, set[Listener]] = {}
        self._rung: set[str] = set()
        self._news = asyncio.Event()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def ring(self, name: str) -> None:
        """Say that there is news under `name`."""
        for listener in self._listeners.get(name, ()):
            listener.ring()
        self._rung.add(name)
        self._news.set()

    async def ring_soon(self, name: str) -> None:
        """Ring, in the form that `WriteSession.after_commit` takes."""
        self.ring(name)

    @asynccontextmanager
    async def listening(self, name: str) -> AsyncIterator[Listener]:
        """Give a Listener of `name` for the length of the block."""
        listener = Listener()
        self._listeners.setdefault(name, set()).add(listener)
        self._changed.set()
        try:
            yield listener
        finally:
            others = self._listeners[name]
            others.discard(listener)
            if not others:
                del self._listeners[name]
                self._changed.set()

    async def start(self) -> None:
        """Start to publish and to listen."""
        self._tasks = [asyncio.create_task(self._publish_for_ever()), asyncio.create_task(self._hear_for_ever())]

    async def close(self) -> None:
        """Stop both, close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._redis.aclose()

    async def _publish_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            names, self._rung = self._rung, set()
            try:
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for name in names:
                        pipeline.publish(PREFIX + name, b"")
                    await pipeline.execute()
            except (RedisError, OSError) as error:
                log.warning("the bell cannot be rung elsewhere: %s", type(error).__name__)
                await asyncio.sleep(PAUSE_S)

    async def _hear_for_ever(self) -> None:
        while True:
            self._changed.clear()
            if not self._listeners:
                await self._changed.wait()
                continue
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await self._hear(pubsub)
            except (RedisError, OSError) as error:
                log.warning("the bell cannot be heard: %s", type(error).__name__)
                await asyncio.sleep(PAUSE_S)

    async def _hear(self, pubsub: PubSub) -> None:
        """Hear until the connection breaks or nobody listens any more."""
        subscribed: set[str] = set()
        reading: asyncio.Task[None] | None = None
        try:
            while self._listeners:
                self._changed.clear()
                subscribed = await self._follow(pubsub, subscribed)
                reading = reading or asyncio.create_task(self._read(pubsub))
                changed = asyncio.create_task(self._changed.wait())
                await asyncio.wait({reading, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                if reading.done():
                    reading.result()
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _follow(self, pubsub: PubSub, subscribed: set[str]) -> set[str]:
        """Subscribe to what is listened to now; return it."""
        wanted = set(self._listeners)
        if added := wanted - subscribed:
            await pubsub.subscribe(*(PREFIX + name for name in added))
        if gone := subscribed - wanted:
            await pubsub.unsubscribe(*(PREFIX + name for name in gone))
        for name in added:  # news may have come between the waiter's last look and the subscription
            self._wake(name)
        return wanted

    async def _read(self, pubsub: PubSub) -> None:
        while True:
            heard = await pubsub.get_message(timeout=IDLE_S)
            if heard is not None:
                self._wake(heard["channel"].decode().removeprefix(PREFIX))

    def _wake(self, name: str) -> None:
        for listener in self._listeners.get(name, ()):
            listener.ring()


def make_bell(settings: Settings) -> Bell:
    """Return a bell over the Redis of `settings` (secret `valkey-api`); nothing connects before `start`."""
    redis = Redis(
        host=settings.valkey.host,
        port=settings.valkey.port,
        username=settings.valkey_user,
        password=settings.secrets.text("valkey-api"),
        socket_timeout=SOCKET_DEADLINE_S,
        socket_connect_timeout=SOCKET_DEADLINE_S,
        health_check_interval=10,
        client_name="skerry",
    )
    return Bell(redis)
