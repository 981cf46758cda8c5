"""An organisation's Temporal namespace: its UUID is the namespace's name.

Contract: registering is idempotent. A new namespace is known to every part of the server only after its caches have
turned over (about 10 s), so `ensure_namespace` returns when a question about a workflow gets an answer about the
workflow.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, RegisterNamespaceRequest
from temporalio.service import RPCError, RPCStatusCode

from skerry.base import clock
from skerry.base.errors import UnavailableError

if TYPE_CHECKING:
    from uuid import UUID

    from temporalio.client import Client

    from skerry.auth.temporal import TemporalDoor

RETENTION: Final = timedelta(days=7)
"""How long the server keeps a finished history; PostgreSQL's rows are the record."""
USABLE_DEADLINE_S: Final = 60.0
PAUSE_S: Final = 0.5
CALL_DEADLINE: Final = timedelta(seconds=5)
PROBE_ID: Final = "skerry-namespace-probe"


async def ensure_namespace(door: TemporalDoor, organization_id: UUID, *, deadline_s: float = USABLE_DEADLINE_S) -> bool:
    """Register the namespace if it is missing, wait until it can be used; return whether it was made.

    Raises:
        UnavailableError: `temporal.unavailable`, `temporal.namespace`.
    """
    name = str(organization_id)
    made = await _register(await door.system(), name)
    client = await door.client(name)
    end = clock.monotonic() + deadline_s
    while not await _is_usable(client, name):
        if clock.monotonic() > end:
            raise UnavailableError(
                "temporal.namespace", f"the namespace {name} is not usable after {deadline_s:.0f} s", "run it again"
            )
        await asyncio.sleep(PAUSE_S)
    return made


async def _register(client: Client, name: str) -> bool:
    request = RegisterNamespaceRequest(
        namespace=name,
        workflow_execution_retention_period=Duration(seconds=int(RETENTION.total_seconds())),
    )
    try:
        await client.workflow_service.register_namespace(request, timeout=CALL_DEADLINE)
    except RPCError as error:
        if error.status == RPCStatusCode.ALREADY_EXISTS:
            return False
        raise _unavailable(error) from error
    except RuntimeError as error:
        raise _unavailable(error) from error
    return True


async def _is_usable(client: Client, name: str) -> bool:
    """Ask for a workflow that does not exist: a server that knows the namespace answers that there is no workflow."""
    request = DescribeWorkflowExecutionRequest(namespace=name, execution=WorkflowExecution(workflow_id=PROBE_ID))
    try:
        await client.workflow_service.describe_workflow_execution(request, timeout=CALL_DEADLINE)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise _unavailable(error) from error
        return not any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details)
    return True


def _unavailable(error: Exception) -> UnavailableError:
    return UnavailableError(
        "temporal.unavailable",
        f"Temporal does not do it: {error}",
        "see that the service temporal is healthy, then run it again: it goes on where it stopped",
    )
