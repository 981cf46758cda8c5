"""Temporal, asked from where the API stands, with tokens that a test has minted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio.api.workflowservice.v1 import ListNamespacesRequest
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.integration.stack import Stack

ADMIN = ["temporal-system:admin"]


def with_client(stack: Stack, token: str | None, use: Callable[[Client], Awaitable[Any]]) -> Any:
    """Return what `use` returns for a client with `token` that stands where the API stands."""

    async def connect() -> Any:
        client = await Client.connect(
            f"{stack.address('api', 'temporal')}:7233",
            rpc_metadata={"authorization": f"Bearer {token}"} if token else {},
            lazy=True,
            connect_timeout=timedelta(seconds=5),
            # A runtime of its own: its threads have the network of the thread that starts them.
            runtime=Runtime(telemetry=TelemetryConfig()),
        )
        return await use(client)

    return stack.call_from("api", lambda: asyncio.run(connect()))


async def list_namespaces(client: Client) -> list[str]:
    answer = await client.workflow_service.list_namespaces(ListNamespacesRequest())
    return [item.namespace_info.name for item in answer.namespaces]


def is_refused(stack: Stack, held: str | None) -> bool:
    """Return whether Temporal refuses what `held` asks for."""
    try:
        with_client(stack, held, list_namespaces)
    except (RPCError, RuntimeError) as error:
        return "nauthorized" in str(error) or getattr(error, "status", None) in {
            RPCStatusCode.PERMISSION_DENIED,
            RPCStatusCode.UNAUTHENTICATED,
        }
    return False
