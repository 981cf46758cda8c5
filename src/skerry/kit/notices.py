"""PostgreSQL's own bell: LISTEN on one connection, so that a commit elsewhere is heard at once.

Contract: a notice says that there is news, never what. While the connection is down nothing is heard: who waits also
looks by itself now and then. Source: PostgreSQL manual, LISTEN and NOTIFY (delivered at commit, once a transaction).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from skerry.kit.bell import Listener
from skerry.kit.db import CONNECT_DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from skerry.kit.settings import Settings

log = logging.getLogger(__name__)

PAUSE_S: Final = 1.0
"""Between two tries to connect."""


@asynccontextmanager
async def listening(settings: Settings, channel: str, *, application: str) -> AsyncIterator[Listener]:
    """Give a Listener of `channel` for the length of the block (role platform, secret `postgres-platform`)."""
    listener = Listener()
    task = asyncio.create_task(_listen_for_ever(settings, channel, listener, application))
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _listen_for_ever(settings: Settings, channel: str, listener: Listener, application: str) -> None:
    while True:
        try:
            await _listen(settings, channel, listener, application)
        except (psycopg.Error, OSError) as error:
            log.warning("no notices of %s: %s", channel, type(error).__name__)
        await asyncio.sleep(PAUSE_S)


async def _listen(settings: Settings, channel: str, listener: Listener, application: str) -> None:
    connection = await psycopg.AsyncConnection.connect(
        host=settings.database.host,
        port=settings.database.port,
        dbname=settings.database_name,
        user="skerry_platform",
        password=settings.secrets.text("postgres-platform"),
        connect_timeout=CONNECT_DEADLINE_S,
        application_name=application,
        autocommit=True,
    )
    async with connection:
        await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        listener.ring()  # what was committed before we listened is news too
        async for _ in connection.notifies():
            listener.ring()
