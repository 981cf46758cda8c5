"""SQL over worker_queues with the environments they are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from skerry.tables.queues import environments, worker_queues

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession

DEFAULT_NAME: Final = "default"

_WITH_ENVIRONMENT = select(worker_queues, environments.c.name.label("environment_name")).join(
    environments,
    (environments.c.organization_id == worker_queues.c.organization_id)
    & (environments.c.id == worker_queues.c.environment_id),
)


async def find_queue(session: ReadSession, organization_id: UUID, queue_id: UUID) -> RowMapping | None:
    """Return a queue with the name of its environment."""
    return await session.first(
        _WITH_ENVIRONMENT.where(worker_queues.c.organization_id == organization_id, worker_queues.c.id == queue_id)
    )


async def find_default(session: ReadSession, organization_id: UUID) -> RowMapping | None:
    """Return the active queue that is named default, else the oldest active one."""
    statement = _WITH_ENVIRONMENT.where(
        worker_queues.c.organization_id == organization_id,
        worker_queues.c.status == "active",
        worker_queues.c.ephemeral.is_(False),
    )
    return await session.first(
        statement.order_by(
            (worker_queues.c.name == DEFAULT_NAME).desc(), worker_queues.c.created_at, worker_queues.c.id
        )
    )
