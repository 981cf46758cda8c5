"""The bell over the product's Valkey: heard at once, here even without it, elsewhere again when it is back."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis
from tests.integration.built import built_image
from tests.integration.postgres import free_port

from skerry.base.process import run
from skerry.kit.bell import SOCKET_DEADLINE_S, Bell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.integration

PROMPT_S = 0.5
BACK_S = 10.0


class Valkey:
    """A server of the test's own, without users, on a loopback port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.name = f"skerry-test-valkey-{self.port}"

    def start(self) -> None:
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"]  # noqa: S108  in there
        options = ["--detach", "--pull=never", "--network=host", f"--name={self.name}", "--tmpfs=/tmp"]
        run(["podman", "run", *options, built_image("valkey"), "valkey-server", *words])

    def podman(self, verb: str) -> None:
        run(["podman", verb, self.name])

    def remove(self) -> None:
        run(["podman", "rm", "--force", "--time=0", self.name], check=False)


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    server = Valkey()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@asynccontextmanager
async def ringing(valkey: Valkey) -> AsyncIterator[Bell]:
    """Give a bell as another process has it."""
    redis = Redis(
        host="127.0.0.1",
        port=valkey.port,
        socket_timeout=SOCKET_DEADLINE_S,
        socket_connect_timeout=SOCKET_DEADLINE_S,
    )
    bell = Bell(redis)
    await bell.start()
    try:
        yield bell
    finally:
        await bell.close()


async def hears(one: Bell, other: Bell, name: str, *, within_s: float) -> float:
    """Return how long until `other` hears what `one` rings, ringing again now and then."""
    begun = time.monotonic()
    async with other.listening(name) as listener:
        await asyncio.sleep(0.1)
        await listener.wait(0.01)
        while time.monotonic() - begun < within_s:
            start = time.monotonic()
            one.ring(name)
            if await listener.wait(0.5):
                return time.monotonic() - start
    raise AssertionError(f"{name} was not heard within {within_s} s")


async def test_another_process_hears_at_once(valkey: Valkey) -> None:
    async with ringing(valkey) as one, ringing(valkey) as other:
        await hears(one, other, "warm", within_s=BACK_S)
        assert await hears(one, other, "execution:1", within_s=BACK_S) < PROMPT_S


async def test_only_the_name_that_was_rung_is_heard(valkey: Valkey) -> None:
    async with ringing(valkey) as one, ringing(valkey) as other, AsyncExitStack() as stack:
        listeners = [await stack.enter_async_context(other.listening(f"name:{n}")) for n in range(50)]
        await hears(one, other, "warm", within_s=BACK_S)
        for listener in listeners:
            await listener.wait(0.01)
        one.ring("name:7")
        assert await listeners[7].wait(PROMPT_S * 2)
        assert not any([await listener.wait(0.01) for listener in listeners])


async def test_names_come_and_go(valkey: Valkey) -> None:
    async with ringing(valkey) as one, ringing(valkey) as other:
        for n in range(10):
            await hears(one, other, f"name:{n}", within_s=BACK_S)


async def test_without_the_server_this_process_hears_all_the_same(valkey: Valkey) -> None:
    async with ringing(valkey) as one, ringing(valkey) as other:
        await hears(one, other, "warm", within_s=BACK_S)
        for stop, start in (("pause", "unpause"), ("kill", "start")):
            valkey.podman(stop)
            try:
                async with one.listening("here") as listener:
                    begun = time.monotonic()
                    one.ring("here")
                    assert await listener.wait(PROMPT_S)
                    assert time.monotonic() - begun < PROMPT_S
                await asyncio.sleep(SOCKET_DEADLINE_S * 2)
            finally:
                valkey.podman(start)
            await hears(one, other, "again", within_s=BACK_S)
