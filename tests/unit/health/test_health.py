"""Checks run side by side, each bounded; a stuck one is named and does not pile up."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from skerry.base import clock
from skerry.base.errors import UnavailableError
from skerry.health import checks, service
from skerry.health.service import Health

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from skerry.health.checks import Probes

    Checks = Mapping[str, Callable[[Probes], Awaitable[None]]]


class NoProbes:
    """What a Health closes at its end."""

    async def close(self) -> None:
        """Nothing was opened."""


def health_of(checks: Checks) -> Health:
    return Health(cast("Probes", NoProbes()), checks=checks)


async def well(_probes: Any) -> None:
    await asyncio.sleep(0)


async def failing(_probes: Any) -> None:
    raise UnavailableError("health.no_bucket", "the bucket is missing", "make it")


async def broken(_probes: Any) -> None:
    raise OSError("no route")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CHECK_DEADLINE_S", 0.2)
    monkeypatch.setattr(service, "FRESH_S", 0.05)


def test_every_check_is_told_apart() -> None:
    async def go() -> None:
        report = await health_of({"a": well, "postgres": failing, "c": broken}).report()
        assert report.failing == ["postgres", "c"]
        assert {finding.name: finding.code for finding in report.findings} == {
            "a": None,
            "postgres": "health.no_bucket",
            "c": "health.unreachable",
        }
        assert not report.ready

    asyncio.run(go())


def test_without_what_no_request_needs_it_is_ready() -> None:
    async def go() -> None:
        assert (await health_of({"postgres": well, "valkey": broken}).report()).ready

    asyncio.run(go())


def test_stuck_checks_are_named_in_time_and_not_started_twice() -> None:
    started = 0
    release = asyncio.Event()

    async def stuck(_probes: Any) -> None:
        """Waits for ever and does not let itself be cancelled, like a driver whose server is paused."""
        nonlocal started
        started += 1
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async def go() -> None:
        health = health_of({"a": stuck, "b": stuck, "c": well})
        for _ in range(3):
            start = clock.monotonic()
            report = await health.report()
            assert report.failing == ["a", "b"]
            assert clock.monotonic() - start < 0.5
            await asyncio.sleep(0.06)
        assert started == 2
        release.set()
        await asyncio.sleep(0.06)
        assert (await health.report()).failing == []
        await health.close()

    asyncio.run(go())


def test_many_askers_share_one_round() -> None:
    asked = 0

    async def counted(_probes: Any) -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.02)

    async def go() -> None:
        health = health_of({"a": counted})
        reports = await asyncio.gather(*(health.report() for _ in range(50)))
        assert asked == 1
        assert all(report is reports[0] for report in reports)
        await asyncio.sleep(0.06)
        await health.report()
        assert asked == 2

    asyncio.run(go())


async def code_of(check: Callable[[Any], Awaitable[None]], **probes: Any) -> str:
    with pytest.raises(UnavailableError) as caught:
        await check(SimpleNamespace(**probes))
    return caught.value.code


@pytest.mark.parametrize("answer", [None, [], {}, {"allow": True}, {"allow": "no"}])
async def test_a_policy_that_does_not_deny_by_default_is_not_well(answer: Any) -> None:
    async def query(_path: str, _question: Any) -> Any:
        return answer

    assert await code_of(checks.check_opa, opa=SimpleNamespace(query=query)) == "health.policy"


async def test_a_frontend_that_does_not_serve_is_not_well() -> None:
    async def check_health(**_: Any) -> bool:
        return False

    async def system() -> Any:
        return SimpleNamespace(service_client=SimpleNamespace(check_health=check_health))

    assert await code_of(checks.check_temporal, temporal=SimpleNamespace(system=system)) == "health.not_serving"


@pytest.mark.parametrize("check", [checks.check_litellm, checks.check_models])
async def test_an_answer_that_is_no_200_is_not_well(check: Callable[[Any], Awaitable[None]]) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(503))
    async with httpx.AsyncClient(transport=transport, base_url="http://litellm") as llm:
        assert await code_of(check, llm=llm) == "health.status"
