"""SQL over environments and worker_queues, as bootstrap needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from skerry.tables.queues import environments, worker_queues

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession, WriteSession

HEARTBEAT_S: Final = 10
"""The least the contract allows: a pool of this site that falls silent is named soon."""


async def add_environment(session: WriteSession, organization_id: UUID, *, environment_id: UUID, name: str) -> None:
    """Add an environment unless the organisation has one of that name."""
    await session.execute(
        insert(environments)
        .values(organization_id=organization_id, id=environment_id, name=name)
        .on_conflict_do_nothing(index_elements=["organization_id", "name"])
    )


async def find_environment(session: ReadSession, organization_id: UUID, name: str) -> RowMapping | None:
    """Return an environment by name."""
    return await session.first(
        select(environments).where(environments.c.organization_id == organization_id, environments.c.name == name)
    )


async def add_queue(
    session: WriteSession, organization_id: UUID, *, queue_id: UUID, environment_id: UUID, name: str
) -> None:
    """Add a worker queue unless the environment has one of that name."""
    await session.execute(
        insert(worker_queues)
        .values(
            organization_id=organization_id,
            id=queue_id,
            environment_id=environment_id,
            name=name,
            heartbeat_interval=HEARTBEAT_S,
        )
        .on_conflict_do_nothing(index_elements=["organization_id", "environment_id", "name"])
    )


async def find_queue(session: ReadSession, organization_id: UUID, name: str) -> RowMapping | None:
    """Return a worker queue by name: the oldest, when several environments have one of that name."""
    return await session.first(
        select(worker_queues)
        .where(worker_queues.c.organization_id == organization_id, worker_queues.c.name == name)
        .order_by(worker_queues.c.created_at, worker_queues.c.id)
    )
