"""Valkey as it is configured: two users, one prefix, nothing kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration


def with_client(stack: Stack, use: Callable[[redis.Redis], Any], *, user: str = "api", password: str = "") -> Any:
    """Return what `use` returns for a client of `user` that stands where the API stands."""

    def connect() -> Any:
        with redis.Redis(
            host=stack.address("api", "valkey"),
            username=user,
            password=password or stack.secret("valkey-api"),
            socket_timeout=5,
        ) as client:
            return use(client)

    return stack.call_from("api", connect)


def test_the_api_uses_its_prefix(stack: Stack) -> None:
    def use(client: redis.Redis) -> bytes | None:
        client.set("skerry:test:key", "value", ex=5)
        client.publish("skerry:test:bell", "ring")
        found = client.eval("return redis.call('get', KEYS[1])", 1, "skerry:test:key")
        client.delete("skerry:test:key")
        assert isinstance(found, bytes)
        return found

    assert with_client(stack, use) == b"value"


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.set("other", "value"),
        lambda client: client.get("other"),
        lambda client: client.publish("other", "ring"),
        lambda client: client.flushall(),
        lambda client: client.keys("*"),
        lambda client: client.config_get("*"),
        lambda client: client.acl_list(),
        lambda client: client.info(),
        lambda client: client.client_list(),
        lambda client: client.shutdown(),
        lambda client: client.execute_command("DEBUG", "SLEEP", "0"),
        lambda client: client.execute_command("REPLICAOF", "198.51.100.80", "6379"),
        lambda client: client.execute_command("MODULE", "LIST"),
    ],
)
def test_the_api_does_nothing_else(stack: Stack, use: Callable[[redis.Redis], Any]) -> None:
    with pytest.raises(redis.exceptions.ResponseError):
        with_client(stack, use)


@pytest.mark.parametrize(("user", "password"), [("api", "wrong"), ("default", "wrong"), ("nobody", "wrong")])
def test_nobody_else_enters(stack: Stack, user: str, password: str) -> None:
    with pytest.raises(redis.exceptions.AuthenticationError):
        with_client(stack, lambda client: client.ping(), user=user, password=password)


def test_without_a_name_nothing_is_answered(stack: Stack) -> None:
    def connect() -> None:
        with redis.Redis(host=stack.address("api", "valkey"), socket_timeout=5) as client:
            client.ping()

    with pytest.raises(redis.exceptions.AuthenticationError):
        stack.call_from("api", connect)


def test_the_health_user_says_ping_and_nothing_else(stack: Stack) -> None:
    assert with_client(stack, lambda client: client.ping(), user="health", password="any")
    with pytest.raises(redis.exceptions.NoPermissionError):
        with_client(stack, lambda client: client.get("skerry:a"), user="health", password="any")


def test_nothing_is_written_to_a_disk(stack: Stack) -> None:
    assert not stack.instance("valkey").volumes
    found = stack.inside("valkey", "find", "/run/valkey", "-type", "f")
    assert found.stdout == ""
