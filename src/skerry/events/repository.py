"""SQL over events. Reads only: record.events appends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from skerry.tables.executions import execution_counters, execution_events

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession
    from skerry.record.events import RunKey

PAGE_ROWS: Final = 500
TERMINAL_KINDS: Final = ("done", "error")
OPENING_KINDS: Final = ("message", "message_chunk", *TERMINAL_KINDS)

_COLUMNS = select(
    execution_events.c.position,
    execution_events.c.kind,
    execution_events.c.data,
    execution_events.c.n,
    execution_events.c.created_at,
)


async def last_position(session: ReadSession, run: RunKey) -> int:
    """Return the position of the newest event, 0 when there is none."""
    position = await session.scalar(
        select(execution_counters.c.last_event).where(
            execution_counters.c.organization_id == run.organization_id,
            execution_counters.c.execution_id == run.execution_id,
        )
    )
    return int(position or 0)


async def last_positions(session: ReadSession, organization_id: UUID, execution_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the position of the newest event of each of an organisation's executions."""
    rows = await session.all(
        select(execution_counters.c.execution_id, execution_counters.c.last_event).where(
            execution_counters.c.organization_id == organization_id,
            execution_counters.c.execution_id.in_(execution_ids),
        )
    )
    return {row["execution_id"]: int(row["last_event"]) for row in rows}


async def after(session: ReadSession, run: RunKey, position: int) -> Sequence[RowMapping]:
    """Return up to PAGE_ROWS events after `position`, in order."""
    statement = _COLUMNS.where(
        execution_events.c.organization_id == run.organization_id,
        execution_events.c.created_on == run.created_on,
        execution_events.c.execution_id == run.execution_id,
        execution_events.c.position > position,
    )
    return await session.all(statement.order_by(execution_events.c.position).limit(PAGE_ROWS))


async def opening(session: ReadSession, run: RunKey, until: int, *, limit: int) -> Sequence[RowMapping]:
    """Return the newest `limit` events up to `until` that a fresh stream opens with, in order."""
    statement = _COLUMNS.where(
        execution_events.c.organization_id == run.organization_id,
        execution_events.c.created_on == run.created_on,
        execution_events.c.execution_id == run.execution_id,
        execution_events.c.position <= until,
        execution_events.c.kind.in_(OPENING_KINDS),
    )
    rows = await session.all(statement.order_by(execution_events.c.position.desc()).limit(limit))
    return list(reversed(rows))


async def terminal_position(session: ReadSession, run: RunKey) -> int | None:
    """Return the position of the event that ended the execution, None while it has not ended."""
    position = await session.scalar(
        select(execution_events.c.position)
        .where(
            execution_events.c.organization_id == run.organization_id,
            execution_events.c.created_on == run.created_on,
            execution_events.c.execution_id == run.execution_id,
            execution_events.c.kind.in_(TERMINAL_KINDS),
        )
        .limit(1)
    )
    return None if position is None else int(position)
