"""Append events of an execution, in the caller's transaction.

Contract: positions come from the execution's counter row, whose lock is held until the commit: who reads in the order
of positions never meets a later one first. A piece that was appended before (same step, attempt, n) is dropped
silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from skerry.base import clock
from skerry.base.errors import NotFoundError
from skerry.tables.executions import execution_counters, execution_events

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from skerry.kit.db import WriteSession


@dataclass(frozen=True)
class RunKey:
    """The key of an execution and of everything it owns; `created_on` picks the partition of its events."""

    organization_id: UUID
    execution_id: UUID
    created_on: dt.date


@dataclass(frozen=True)
class Piece:
    """What makes a repeated piece of an answer a duplicate."""

    step: int
    attempt: int
    n: int


@dataclass(frozen=True)
class Event:
    """One event as a stream tells it: its kind, its data exactly as on the wire."""

    kind: str
    data: Mapping[str, Any]
    piece: Piece | None = None


def wrapped(**data: Any) -> dict[str, Any]:
    """Return the nested form that most live events have: `{"data": {...}, "timestamp": ...}`."""
    return {"data": data, "timestamp": clock.rfc3339(clock.now())}


async def take_positions(session: WriteSession, run: RunKey, count: int) -> int:
    """Reserve `count` positions; return the first.

    Raises:
        NotFoundError: `execution.not_found`.
    """
    row = await session.returning_one(
        update(execution_counters)
        .where(
            execution_counters.c.organization_id == run.organization_id,
            execution_counters.c.execution_id == run.execution_id,
        )
        .values(last_event=execution_counters.c.last_event + count)
        .returning(execution_counters.c.last_event)
    )
    if row is None:
        raise NotFoundError("execution.not_found", "there is no such execution", "check the id")
    return int(row["last_event"]) - count + 1


async def append(session: WriteSession, run: RunKey, events: Sequence[Event]) -> int:
    """Append events in order; return the position of the first.

    Raises:
        NotFoundError: `execution.not_found`.
    """
    first = await take_positions(session, run, len(events))
    rows = [
        {
            "organization_id": run.organization_id,
            "created_on": run.created_on,
            "execution_id": run.execution_id,
            "position": first + offset,
            "kind": event.kind,
            "data": dict(event.data),
            "step": event.piece.step if event.piece else None,
            "attempt": event.piece.attempt if event.piece else None,
            "n": event.piece.n if event.piece else None,
        }
        for offset, event in enumerate(events)
    ]
    await session.execute(insert(execution_events).on_conflict_do_nothing(), rows)
    return first
