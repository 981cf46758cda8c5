"""SQL over agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from skerry.tables.agents import agents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession, WriteSession


async def add_agent(session: WriteSession, values: Mapping[str, Any]) -> RowMapping:
    """Add an agent and return its row."""
    row = await session.returning_one(insert(agents).values(**values).returning(agents))
    assert row is not None  # noqa: S101  an INSERT of one row that did not raise returns it
    return row


async def find_agent(session: ReadSession, organization_id: UUID, agent_id: UUID) -> RowMapping | None:
    """Return an agent."""
    return await session.first(
        select(agents).where(agents.c.organization_id == organization_id, agents.c.id == agent_id)
    )


async def list_agents(session: ReadSession, organization_id: UUID, *, skip: int, limit: int) -> Sequence[RowMapping]:
    """Return a page of agents, newest first."""
    return await session.all(
        select(agents)
        .where(agents.c.organization_id == organization_id)
        .order_by(agents.c.created_at.desc(), agents.c.id.desc())
        .offset(skip)
        .limit(limit)
    )
