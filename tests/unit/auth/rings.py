"""A KeyRing over keys in memory: the simulator of its one query."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from skerry.auth.keys import KeyRing
from skerry.base import clock
from skerry.base.errors import UnavailableError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from skerry.kit.db import Database

HOST_KEY = bytes(range(32))


class StoredKeys:
    """Answers the KeyRing's query as PostgreSQL would, and can be taken away."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = list(rows)
        self.down = False
        self.hangs: asyncio.Event | None = None
        self.asked = 0

    @asynccontextmanager
    async def platform_transaction(self, purpose: str) -> AsyncIterator[StoredKeys]:
        assert purpose == "signing_keys"
        self.asked += 1
        if self.down:
            raise UnavailableError("database.unavailable", "down", "wait")
        if self.hangs is not None:
            await self.hangs.wait()
        yield self

    async def all(self, _statement: object) -> list[dict[str, Any]]:
        alive = [row for row in self.rows if row.get("verifies_until") is None or row["verifies_until"] > clock.now()]
        return sorted(alive, key=lambda row: row["signs_from"], reverse=True)


def ring_of(stored: StoredKeys, *, host_key: bytes | None = HOST_KEY) -> KeyRing:
    return KeyRing(cast("Database", stored), host_key=host_key)
