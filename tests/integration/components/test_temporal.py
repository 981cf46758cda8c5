"""Temporal as it is configured: tokens of ours only, for the namespaces they name; one door."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from temporalio.api.workflowservice.v1 import ListNamespacesRequest, ListWorkflowExecutionsRequest
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

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


def token(stack: Stack, permissions: list[str], **claims: Any) -> str:
    return stack.mint({"aud": "temporal", "permissions": permissions, **claims})


def test_an_administrator_of_the_system_manages(stack: Stack) -> None:
    assert "temporal-system" in with_client(stack, token(stack, ADMIN), list_namespaces)


def refused(stack: Stack, held: str | None) -> bool:
    """Return whether Temporal refuses what `held` asks for."""
    try:
        with_client(stack, held, list_namespaces)
    except (RPCError, RuntimeError) as error:
        return "nauthorized" in str(error) or getattr(error, "status", None) in {
            RPCStatusCode.PERMISSION_DENIED,
            RPCStatusCode.UNAUTHENTICATED,
        }
    return False


def test_no_token_is_refused(stack: Stack) -> None:
    assert refused(stack, None)


@pytest.mark.parametrize("audience", ["skerry-api", "litellm", "", ["skerry-api"]])
def test_a_token_for_another_door_is_refused(stack: Stack, audience: str | list[str]) -> None:
    assert refused(stack, token(stack, ADMIN, aud=audience))


def test_a_token_without_an_audience_is_refused(stack: Stack) -> None:
    assert refused(stack, token(stack, ADMIN, aud=None))


def test_an_expired_token_is_refused(stack: Stack) -> None:
    assert refused(stack, token(stack, ADMIN, exp=int(time.time()) - 5))


def test_a_token_of_another_key_is_refused(stack: Stack) -> None:
    assert refused(stack, stack.mint({"aud": "temporal", "permissions": ADMIN}, own_key=True))


def test_a_namespace_is_shown_to_its_own_tokens_only(stack: Stack) -> None:
    mine, other = str(uuid.uuid5(uuid.NAMESPACE_DNS, "mine")), str(uuid.uuid5(uuid.NAMESPACE_DNS, "other"))

    async def look(client: Client) -> None:
        await client.workflow_service.list_workflow_executions(ListWorkflowExecutionsRequest(namespace=mine))

    with pytest.raises(RPCError) as own:
        with_client(stack, token(stack, [f"{mine}:read"]), look)
    # Allowed to look: there is no such namespace.
    assert own.value.status == RPCStatusCode.NOT_FOUND
    with pytest.raises(RPCError) as elsewhere:
        with_client(stack, token(stack, [f"{other}:admin"]), look)
    assert elsewhere.value.status == RPCStatusCode.PERMISSION_DENIED
    with pytest.raises(RPCError):
        with_client(stack, token(stack, [f"{mine}:admin"]), list_namespaces)


def test_the_frontend_is_the_one_door(stack: Stack) -> None:
    assert stack.listening("temporal") == {7233}


def test_shards_are_512_for_ever(stack: Stack) -> None:
    def count() -> int:
        with psycopg.connect(
            host=stack.address("temporal", "postgres"),
            user="temporal",
            password=stack.secret("postgres-temporal"),
            dbname="temporal",
        ) as connection:
            row = connection.execute("select count(*) from shards").fetchone()
            return int(row[0]) if row else 0

    assert stack.call_from("temporal", count) == 512
