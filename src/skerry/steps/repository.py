"""SQL over turns, the ledger of tool calls, and the conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Table, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from skerry.tables.executions import (
    execution_events,
    execution_messages,
    execution_tool_calls,
    execution_turns,
    executions,
)
from skerry.tables.files import snapshots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession, WriteSession
    from skerry.record.events import RunKey


def _owned(table: Table, run: RunKey) -> ColumnElement[bool]:
    return (table.c.organization_id == run.organization_id) & (table.c.execution_id == run.execution_id)


async def find_run(
    session: ReadSession, organization_id: UUID, execution_id: UUID, *, queue_id: UUID, lock: bool = False
) -> RowMapping | None:
    """Return what steps need of an execution that is on this queue; `lock` holds it still until the commit."""
    statement = select(
        executions.c.id,
        executions.c.created_on,
        executions.c.status,
        executions.c.agent_id,
        executions.c.model_id,
        executions.c.system_prompt,
        executions.c.tools,
        executions.c.limits,
        executions.c.workspace,
    ).where(
        executions.c.organization_id == organization_id,
        executions.c.id == execution_id,
        executions.c.worker_queue_id == queue_id,
    )
    return await session.first(statement.with_for_update() if lock else statement)


async def claim_turn(session: WriteSession, run: RunKey, step: int, *, attempt: int, message_id: UUID) -> RowMapping:
    """Make the turn, or raise its attempt while it runs; return its row, locked."""
    statement = upsert(execution_turns).values(
        organization_id=run.organization_id,
        execution_id=run.execution_id,
        step=step,
        attempt=attempt,
        message_id=message_id,
    )
    newer = func.greatest(execution_turns.c.attempt, statement.excluded.attempt)
    statement = statement.on_conflict_do_update(
        index_elements=["organization_id", "execution_id", "step"], set_={"attempt": newer}
    )
    row = await session.returning_one(statement.returning(execution_turns))
    assert row is not None  # noqa: S101  an upsert returns its row
    return row


async def find_turn(session: ReadSession, run: RunKey, step: int, *, lock: bool) -> RowMapping | None:
    """Return a turn; `lock` holds it until the commit."""
    statement = select(execution_turns).where(_owned(execution_turns, run), execution_turns.c.step == step)
    return await session.first(statement.with_for_update() if lock else statement)


async def count_turns(session: ReadSession, run: RunKey) -> int:
    """Return how many turns were begun."""
    count = await session.scalar(select(func.count()).select_from(execution_turns).where(_owned(execution_turns, run)))
    return int(count)


async def finish_turn(session: WriteSession, run: RunKey, step: int, values: Mapping[str, Any]) -> None:
    """Complete a turn."""
    await session.execute(
        update(execution_turns)
        .where(_owned(execution_turns, run), execution_turns.c.step == step)
        .values(status="completed", completed_at=text("clock_timestamp()"), **values)
    )


async def drop_pieces(session: WriteSession, run: RunKey, step: int) -> int:
    """Delete the pieces of a turn's answer; return how many there were."""
    return await session.execute(
        delete(execution_events).where(
            _owned(execution_events, run),
            execution_events.c.created_on == run.created_on,
            execution_events.c.step == step,
        )
    )


async def add_message(session: WriteSession, run: RunKey, position: int, values: Mapping[str, Any]) -> None:
    """Append to the conversation."""
    await session.execute(
        insert(execution_messages).values(
            organization_id=run.organization_id, execution_id=run.execution_id, position=position, **values
        )
    )


async def add_calls(session: WriteSession, run: RunKey, calls: Sequence[Mapping[str, Any]]) -> None:
    """Open ledger lines, one a tool call."""
    key = {"organization_id": run.organization_id, "execution_id": run.execution_id}
    await session.execute(insert(execution_tool_calls), [{**key, **call} for call in calls])


async def find_call(session: ReadSession, run: RunKey, step: int, *, lock: bool) -> RowMapping | None:
    """Return a ledger line; `lock` holds it until the commit."""
    statement = select(execution_tool_calls).where(
        _owned(execution_tool_calls, run), execution_tool_calls.c.step == step
    )
    return await session.first(statement.with_for_update() if lock else statement)


async def update_call(session: WriteSession, run: RunKey, step: int, values: Mapping[str, Any]) -> None:
    """Write into a ledger line."""
    await session.execute(
        update(execution_tool_calls)
        .where(_owned(execution_tool_calls, run), execution_tool_calls.c.step == step)
        .values(**values)
    )


async def move_workspace(session: WriteSession, run: RunKey, *, parent: str, workspace: str) -> bool:
    """Move an execution from one snapshot to the next; False when it is not at `parent` (compare and set)."""
    touched = await session.execute(
        update(executions)
        .where(
            executions.c.organization_id == run.organization_id,
            executions.c.id == run.execution_id,
            executions.c.workspace == parent,
        )
        .values(workspace=workspace)
    )
    return touched == 1


async def conversation(session: ReadSession, run: RunKey) -> Sequence[RowMapping]:
    """Return the messages in order."""
    return await session.all(
        select(execution_messages).where(_owned(execution_messages, run)).order_by(execution_messages.c.position)
    )


async def ledger(session: ReadSession, run: RunKey) -> Sequence[RowMapping]:
    """Return every ledger line in the order of steps."""
    return await session.all(
        select(execution_tool_calls).where(_owned(execution_tool_calls, run)).order_by(execution_tool_calls.c.step)
    )


async def find_snapshot(session: ReadSession, organization_id: UUID, digest: str) -> RowMapping | None:
    """Return a snapshot."""
    return await session.first(
        select(snapshots).where(snapshots.c.organization_id == organization_id, snapshots.c.digest == digest)
    )
