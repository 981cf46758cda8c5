"""Streams of events: one reader of PostgreSQL for each execution and process, however many connections follow it.

Contract: no transaction is held while a stream waits. News wakes the reader by the bell; what the bell missed is found
by one look a second for all executions of an organisation that are followed here. However many are followed, they share
READS_AT_ONCE connections. A connection gets every event after the position it gives, in order, once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skerry.base import clock
from skerry.events import repository
from skerry.events.presenter import TERMINAL, Opening, Presenter, Row, Shown, shown, split_opening

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.bell import Bell, Listener
    from skerry.kit.db import Database, ReadSession
    from skerry.record.events import RunKey

log = logging.getLogger(__name__)

POLL_S: Final = 1.0
KEEPALIVE_S: Final = 15.0
READS_AT_ONCE: Final = 4
BACKLOG_ROWS: Final = 2000
"""A connection that falls further behind reads from PostgreSQL again instead of keeping more in memory."""
HISTORY_ROWS: Final = 1000


def bell_name(execution_id: UUID) -> str:
    """Return the name under which the bell says that an execution has news."""
    return f"execution:{execution_id}"


class Follower:
    """One connection's place behind the reader."""

    def __init__(self) -> None:
        self.rows: deque[Row] = deque()
        self.behind = False
        self._news = asyncio.Event()

    def offer(self, rows: Sequence[Row]) -> None:
        """Take rows from the reader, or fall behind."""
        if self.behind or len(self.rows) + len(rows) > BACKLOG_ROWS:
            self.behind = True
            self.rows.clear()
        else:
            self.rows.extend(rows)
        self._news.set()

    async def wait(self, deadline_s: float) -> bool:
        """Return whether there is news before the deadline."""
        try:
            await asyncio.wait_for(self._news.wait(), deadline_s)
        except TimeoutError:
            return False
        self._news.clear()
        return True


@dataclass
class _Tail:
    """The one reader of an execution in this process."""

    position: int
    followers: set[Follower]
    task: asyncio.Task[None] | None = None
    listener: Listener | None = None


class EventStreams:
    """Hands events of executions to connections."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell
        self._tails: dict[RunKey, _Tail] = {}
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        self._looking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def _following(self, run: RunKey, position: int) -> AsyncIterator[tuple[Follower, int]]:
        """Give a Follower and the position from which the reader feeds it."""
        tail = self._tails.get(run)
        if tail is None:
            tail = self._tails[run] = _Tail(position, set())
            tail.task = asyncio.create_task(self._read_for_ever(run, tail))
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_until_nobody_follows())
        follower = Follower()
        tail.followers.add(follower)
        try:
            yield follower, tail.position
        finally:
            tail.followers.discard(follower)
            if not tail.followers and self._tails.get(run) is tail:
                del self._tails[run]
                if tail.task is not None:
                    tail.task.cancel()

    async def _read_for_ever(self, run: RunKey, tail: _Tail) -> None:
        async with self._bell.listening(bell_name(run.execution_id)) as tail.listener:
            while True:
                rows = await self._read(run, tail.position)
                if rows:
                    tail.position = rows[-1].position
                    for follower in tail.followers:
                        follower.offer(rows)
                if len(rows) < repository.PAGE_ROWS:
                    await tail.listener.wait(None)

    async def _look_until_nobody_follows(self) -> None:
        while self._tails:
            await asyncio.sleep(POLL_S)
            for organization_id in {run.organization_id for run in self._tails}:
                try:
                    await self._look(organization_id)
                except Exception as error:  # noqa: BLE001  whatever it is, the next look comes
                    log.warning("nobody can look for events: %s", error)

    async def _look(self, organization_id: UUID) -> None:
        """Wake the readers of an organisation's executions that have news."""
        followed = {
            run.execution_id: tail for run, tail in self._tails.items() if run.organization_id == organization_id
        }
        async with self._reading, self._database.tenant_read(organization_id) as session:
            newest = await repository.last_positions(session, organization_id, list(followed))
        for execution_id, position in newest.items():
            tail = followed[execution_id]
            if position > tail.position and tail.listener is not None:
                tail.listener.ring()

    async def _read(self, run: RunKey, position: int) -> list[Row]:
        """Return the next page, as soon as PostgreSQL gives it: a stream that has begun outlasts its absence."""
        while True:
            try:
                async with self._reading, self._database.tenant_read(run.organization_id) as session:
                    return [row_of(row) for row in await repository.after(session, run, position)]
            except Exception as error:  # noqa: BLE001  whatever it is, connections wait for it to pass
                log.warning("events cannot be read: %s", error)
                await asyncio.sleep(POLL_S)

    async def follow(self, run: RunKey, position: int) -> AsyncGenerator[Row | None]:
        """Yield every event after `position` for ever; None after KEEPALIVE_S of silence."""
        async with self._following(run, position) as (follower, fed_from):
            follower.behind = position < fed_from
            while True:
                if follower.behind:
                    follower.behind = False
                    async for row in self._catch_up(run, position):
                        position = row.position
                        yield row
                while follower.rows:
                    row = follower.rows.popleft()
                    if row.position > position:
                        position = row.position
                        yield row
                if not follower.behind and not await follower.wait(KEEPALIVE_S):
                    yield None

    async def _catch_up(self, run: RunKey, position: int) -> AsyncIterator[Row]:
        while True:
            rows = await self._read(run, position)
            for row in rows:
                position = row.position
                yield row
            if len(rows) < repository.PAGE_ROWS:
                return

    @staticmethod
    async def open(session: ReadSession, run: RunKey, resume_after: int | None) -> Opening:
        """Return what a connection begins with.

        Args:
            session: of the execution's organisation.
            run: which execution.
            resume_after: position of the last event the client has seen; None for a fresh connection, which gets the
                finished messages first. 0 replays everything in order.
        """
        last = await repository.last_position(session, run)
        if resume_after is None:
            rows = [row_of(row) for row in await repository.opening(session, run, last, limit=HISTORY_ROWS)]
            return split_opening(rows, last)
        end = await repository.terminal_position(session, run)
        # A client that has seen the end and comes back is told the end again, not left waiting.
        start = min(resume_after, last if end is None else end - 1)
        return Opening([], [], start, seen=start)

    async def stream(
        self, run: RunKey, opening: Opening, *, organization: str, status: str
    ) -> AsyncGenerator[Shown | None]:
        """Yield what a connection is shown, in the order of the contract, up to the end of the execution.

        None stands for KEEPALIVE_S of silence. `organization` is the slug, `status` the execution's when it was opened.
        """
        connected = {
            "execution_id": str(run.execution_id),
            "organization_id": organization,
            "status": status,
            "connected_at": clock.now().timestamp(),
        }
        yield Shown(opening.seen, clock.now(), "connected", connected)
        for row in opening.messages:
            yield shown(row)
        yield Shown(opening.start, clock.now(), "history_complete", _history(run, len(opening.messages)))
        presenter = Presenter()
        async with aclosing(self._live(run, opening)) as rows:
            async for news in rows:
                if news is None:
                    yield None
                    continue
                for event in presenter.present(news):
                    yield event
                if news.kind in TERMINAL:
                    return

    async def _live(self, run: RunKey, opening: Opening) -> AsyncGenerator[Row | None]:
        for row in opening.under_way:
            yield row
        async with aclosing(self.follow(run, opening.start)) as rows:
            async for news in rows:
                yield news


def _history(run: RunKey, count: int) -> dict[str, Any]:
    cut = count >= HISTORY_ROWS
    return {"execution_id": str(run.execution_id), "message_count": count, "is_truncated": cut, "has_more": cut}


def row_of(row: RowMapping) -> Row:
    """Return a stored event."""
    return Row(row["position"], row["kind"], row["data"], row["n"], row["created_at"])
