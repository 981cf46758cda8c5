"""Finding the queue of an execution or a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.base.errors import InvalidInputError
from skerry.kit.ids import missing
from skerry.queues import repository

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession


async def get_active(session: ReadSession, organization_id: UUID, queue_id: UUID) -> RowMapping:
    """Return a queue that takes work, with `environment_name`.

    Raises:
        NotFoundError: `worker_queue.not_found`.
        InvalidInputError: `worker_queue.inactive`.
    """
    row = await repository.find_queue(session, organization_id, queue_id)
    if row is None:
        raise missing("worker_queue")
    if row["status"] != "active":
        raise InvalidInputError(
            "worker_queue.inactive", f"the worker queue {row['name']} is {row['status']}", "set its status to active"
        )
    return row


async def choose(session: ReadSession, organization_id: UUID, queue_id: UUID | None) -> RowMapping:
    """Return the queue that is asked for, or the organisation's default one.

    Raises:
        NotFoundError: `worker_queue.not_found`.
        InvalidInputError: `worker_queue.inactive`, `worker_queue.none`.
    """
    if queue_id is not None:
        return await get_active(session, organization_id, queue_id)
    row = await repository.find_default(session, organization_id)
    if row is None:
        raise InvalidInputError(
            "worker_queue.none", "the organisation has no active worker queue", "make one, and enrol a pool for it"
        )
    return row


def task_queue(organization_id: UUID, queue_id: UUID) -> str:
    """Return the name of a queue's Temporal task queue, which carries activities only."""
    return f"{organization_id}.{queue_id}"
