"""SQL over executions and their transitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from skerry.tables.executions import (
    execution_counters,
    execution_messages,
    execution_tool_calls,
    execution_transitions,
    execution_turns,
    executions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession, WriteSession
    from skerry.record.events import RunKey

TERMINAL = ("completed", "failed", "cancelled")


async def add_execution(session: WriteSession, values: Mapping[str, Any]) -> None:
    """Add an execution and the counter of its events."""
    await session.execute(insert(executions).values(**values))
    await session.execute(
        insert(execution_counters).values(organization_id=values["organization_id"], execution_id=values["id"])
    )


async def find_execution(
    session: ReadSession, organization_id: UUID, execution_id: UUID, *, lock: bool = False
) -> RowMapping | None:
    """Return an execution; `lock` holds it until the commit."""
    statement = select(executions).where(
        executions.c.organization_id == organization_id, executions.c.id == execution_id
    )
    return await session.first(statement.with_for_update() if lock else statement)


async def update_execution(session: WriteSession, run: RunKey, values: Mapping[str, Any]) -> None:
    """Write into an execution."""
    await session.execute(
        update(executions)
        .where(executions.c.organization_id == run.organization_id, executions.c.id == run.execution_id)
        .values(updated_at=func.now(), **values)
    )


async def add_message(session: WriteSession, run: RunKey, position: int, values: Mapping[str, Any]) -> None:
    """Append to the conversation."""
    await session.execute(
        insert(execution_messages).values(
            organization_id=run.organization_id, execution_id=run.execution_id, position=position, **values
        )
    )


async def add_transition(session: WriteSession, run: RunKey, position: int, values: Mapping[str, Any]) -> None:
    """Record a change of status."""
    await session.execute(
        insert(execution_transitions).values(
            organization_id=run.organization_id, execution_id=run.execution_id, position=position, **values
        )
    )


async def last_answer(session: ReadSession, run: RunKey) -> str | None:
    """Return the newest thing the agent said."""
    content = await session.scalar(
        select(execution_messages.c.content)
        .where(
            execution_messages.c.organization_id == run.organization_id,
            execution_messages.c.execution_id == run.execution_id,
            execution_messages.c.role == "assistant",
        )
        .order_by(execution_messages.c.position.desc())
        .limit(1)
    )
    return None if content is None else str(content)


async def sum_turns(session: ReadSession, run: RunKey) -> RowMapping:
    """Return the figures of all finished turns together."""
    row = await session.first(
        select(
            func.count().label("turns"),
            func.coalesce(func.sum(execution_turns.c.prompt_tokens), 0).label("prompt_tokens"),
            func.coalesce(func.sum(execution_turns.c.completion_tokens), 0).label("completion_tokens"),
            func.coalesce(func.sum(execution_turns.c.total_us), 0).label("model_us"),
        ).where(
            execution_turns.c.organization_id == run.organization_id,
            execution_turns.c.execution_id == run.execution_id,
            execution_turns.c.status == "completed",
        )
    )
    assert row is not None  # noqa: S101  an aggregate has a row
    return row


async def count_calls(session: ReadSession, run: RunKey) -> Sequence[RowMapping]:
    """Return how many tool calls ended in each way."""
    return await session.all(
        select(execution_tool_calls.c.status, func.count().label("calls"))
        .where(
            execution_tool_calls.c.organization_id == run.organization_id,
            execution_tool_calls.c.execution_id == run.execution_id,
        )
        .group_by(execution_tool_calls.c.status)
    )


async def open_organizations(session: ReadSession) -> set[UUID]:
    """Return the organisations with an execution that has not ended. Needs a platform transaction."""
    statement = select(executions.c.organization_id).where(executions.c.status.not_in(TERMINAL)).distinct()
    return {row["organization_id"] for row in await session.all(statement)}
