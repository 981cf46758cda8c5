"""SQL over workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from skerry.tables.workers import workers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession, WriteSession


async def add_worker(session: WriteSession, values: Mapping[str, Any]) -> None:
    """Add a worker."""
    await session.execute(insert(workers).values(**values))


async def find_worker(
    session: ReadSession, organization_id: UUID, worker_id: UUID, *, queue_id: UUID
) -> RowMapping | None:
    """Return a worker of this queue."""
    return await session.first(
        select(workers).where(
            workers.c.organization_id == organization_id,
            workers.c.id == worker_id,
            workers.c.worker_queue_id == queue_id,
        )
    )


async def update_worker(
    session: WriteSession, organization_id: UUID, worker_id: UUID, *, queue_id: UUID, values: Mapping[str, Any]
) -> bool:
    """Write into a worker of this queue; False when there is none."""
    touched = await session.execute(
        update(workers)
        .where(
            workers.c.organization_id == organization_id,
            workers.c.id == worker_id,
            workers.c.worker_queue_id == queue_id,
        )
        .values(**values)
    )
    return touched == 1
