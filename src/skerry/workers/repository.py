"""SQL over workers and system workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from skerry.tables.workers import system_workers, workers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
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


async def renew_system_worker(session: WriteSession, worker_id: UUID) -> None:
    """Write that a system worker lives, by the server's clock: all of them, and who asks, are measured by one."""
    await session.execute(
        insert(system_workers)
        .values(id=worker_id)
        .on_conflict_do_update(index_elements=[system_workers.c.id], set_={"last_heartbeat_at": func.now()})
    )


async def remove_system_workers(session: WriteSession, *, worker_id: UUID, silent_for: timedelta) -> None:
    """Remove the row of one system worker, and those that nothing was heard of for so long."""
    await session.execute(
        delete(system_workers).where(
            (system_workers.c.id == worker_id) | (system_workers.c.last_heartbeat_at < func.now() - silent_for)
        )
    )


async def count_system_workers(session: ReadSession, *, heard_within: timedelta) -> int:
    """Return how many system workers were heard of lately."""
    lately = system_workers.c.last_heartbeat_at > func.now() - heard_within
    found: int = await session.scalar(select(func.count()).select_from(system_workers).where(lately))
    return found
