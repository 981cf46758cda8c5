"""What the workflow asks of the system worker: begin and finish an execution."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from temporalio import activity

from skerry.agent.failures import coded
from skerry.events.service import bell_name
from skerry.executions import service
from skerry.executions.workflows import Begin, Finish  # noqa: TC001  Temporal reads the annotations

if TYPE_CHECKING:
    from collections.abc import Callable

    from skerry.kit.bell import Bell
    from skerry.kit.db import Database


class ExecutionActivities:
    """Activities over one database and one bell."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell

    def all(self) -> list[Callable[..., object]]:
        """Return what a Temporal worker registers."""
        return [self.begin, self.finish]

    @activity.defn(name="executions.begin")
    @coded
    async def begin(self, request: Begin) -> bool:
        """Set an execution running; False when there is nothing to run."""
        execution_id = UUID(request.execution_id)
        async with self._database.tenant_transaction(UUID(request.organization_id)) as session:
            session.after_commit(partial(self._bell.ring_soon, bell_name(execution_id)))
            return await service.begin(session, UUID(request.organization_id), execution_id)

    @activity.defn(name="executions.finish")
    @coded
    async def finish(self, request: Finish) -> None:
        """End an execution."""
        execution_id = UUID(request.execution_id)
        async with self._database.tenant_transaction(UUID(request.organization_id)) as session:
            session.after_commit(partial(self._bell.ring_soon, bell_name(execution_id)))
            await service.finish(session, UUID(request.organization_id), execution_id, code=request.code)
