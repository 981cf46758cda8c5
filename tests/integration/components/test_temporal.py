"""Temporal as it is configured: tokens of ours only, for the namespaces they name; one door."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.service import RPCError, RPCStatusCode
from tests.integration.temporal import ADMIN, is_refused, list_namespaces, with_client

if TYPE_CHECKING:
    from temporalio.client import Client
    from tests.integration.keys import PublishedKey
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration


def token(stack: Stack, permissions: list[str], **claims: Any) -> str:
    return stack.mint({"aud": "temporal", "permissions": permissions, **claims})


def test_an_administrator_of_the_system_manages(stack: Stack) -> None:
    assert "temporal-system" in with_client(stack, token(stack, ADMIN), list_namespaces)


def test_beside_a_key_that_is_new_the_old_one_goes_on(stack: Stack, new_key: PublishedKey) -> None:
    """Whether Temporal takes the new one, too, is asked a minute later, in tests/integration/test_keys.py."""
    assert new_key.signer[0] != stack.signing_key[0]
    assert not is_refused(stack, token(stack, ADMIN))


def test_no_token_is_refused(stack: Stack) -> None:
    assert is_refused(stack, None)


@pytest.mark.parametrize("audience", ["skerry-api", "litellm", "", ["skerry-api"]])
def test_a_token_for_another_door_is_refused(stack: Stack, audience: str | list[str]) -> None:
    assert is_refused(stack, token(stack, ADMIN, aud=audience))


def test_a_token_without_an_audience_is_refused(stack: Stack) -> None:
    assert is_refused(stack, token(stack, ADMIN, aud=None))


def test_an_expired_token_is_refused(stack: Stack) -> None:
    assert is_refused(stack, token(stack, ADMIN, exp=int(time.time()) - 5))


def test_a_token_of_another_key_is_refused(stack: Stack) -> None:
    assert is_refused(stack, stack.mint({"aud": "temporal", "permissions": ADMIN}, own_key=True))


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
