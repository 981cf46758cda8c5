"""The default environment and its queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.environments import repository
from skerry.kit.ids import missing, new_id

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession, WriteSession

DEFAULT_NAME: Final = "default"


async def ensure_queue(session: WriteSession, organization_id: UUID, *, name: str = DEFAULT_NAME) -> RowMapping:
    """Return the worker queue `name`, made in the default environment if it is missing."""
    found = await repository.find_queue(session, organization_id, name)
    if found is not None:
        return found
    await repository.add_environment(session, organization_id, environment_id=new_id(), name=DEFAULT_NAME)
    environment = await repository.find_environment(session, organization_id, DEFAULT_NAME)
    if environment is None:
        raise missing("environment")
    await repository.add_queue(session, organization_id, queue_id=new_id(), environment_id=environment["id"], name=name)
    return await get_queue(session, organization_id, name)


async def get_queue(session: ReadSession, organization_id: UUID, name: str) -> RowMapping:
    """Return a worker queue by name.

    Raises:
        NotFoundError: `worker_queue.not_found`.
    """
    row = await repository.find_queue(session, organization_id, name)
    if row is None:
        raise missing("worker_queue")
    return row
