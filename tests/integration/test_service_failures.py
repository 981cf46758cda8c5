"""Each service stopped, killed and paused in turn: it is named, it comes back, nothing else falls."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from skerry.base import clock
from skerry.base.paths import find_checkout
from skerry.host.status import read_status
from skerry.stack.appliance import load_appliance
from skerry.workers.service import SYSTEM_SILENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

SERVICES = sorted(
    name
    for name, item in load_appliance(find_checkout()).definitions.items()
    if item.kind == "service" and item.instances == "one"
)
# Service -> what the API calls it in its own report.
NAMED_BY_API = {
    "postgres": "postgres",
    "valkey": "valkey",
    "minio": "minio",
    "opa": "opa",
    "temporal": "temporal",
    "litellm": "litellm",
    "ollama": "models",
    "system-worker": "system-worker",
}
NAMED_WITHIN_S = 2.0
# What the API does not reach is missed by its heartbeat, unless it said goodbye.
SILENCE_NAMED_WITHIN_S = SYSTEM_SILENCE.total_seconds() + NAMED_WITHIN_S
BY_HEARTBEAT = {"system-worker"}
WELL_AGAIN_S = 90.0
# A pool is missed after three heartbeats of ten seconds: its last sign of life is set back, so that a test waits less.
SET_BACK_S = 25
POOL_NAMED_WITHIN_S = 15.0


def stop(stack: Stack, service: str) -> None:
    stack.podman.run(["stop", stack.container(service)])


def start(stack: Stack, service: str) -> None:
    stack.podman.run(["start", stack.container(service)])


def pause(stack: Stack, service: str) -> None:
    stack.podman.run(["pause", stack.container(service)])


def unpause(stack: Stack, service: str) -> None:
    stack.podman.run(["unpause", stack.container(service)])


def unwell(stack: Stack) -> set[str]:
    """Return who the host says is not well; why is shown by a test that fails."""
    rows = [row for row in read_status(stack.plan, stack.podman) if not row.well]
    sys.stderr.write("".join(f"{row.name}: {row.detail}\n" for row in rows))
    return {row.name for row in rows}


def wait_until(condition: Callable[[], bool], *, deadline_s: float) -> float:
    """Return after how many seconds `condition` held.

    Raises:
        AssertionError: when it does not within `deadline_s` seconds.
    """
    begun = clock.monotonic()
    while not condition():
        assert clock.monotonic() - begun < deadline_s, f"not within {deadline_s} s"
        time.sleep(0.2)
    return clock.monotonic() - begun


def report(stack: Stack) -> dict[str, Any]:
    """Return what the API says in detail, asked from where the edge stands."""
    url = f"http://{stack.address('edge', 'api')}:8000/api/health/detailed"
    answer = stack.call_from("edge", lambda: httpx.get(url, timeout=10, trust_env=False))
    found: dict[str, Any] = answer.json()
    return found


def failing(stack: Stack) -> set[str]:
    return {name for name, item in report(stack)["components"].items() if item["status"] != "healthy"}


def others(stack: Stack, service: str) -> dict[str, tuple[int, int]]:
    """Return process and restarts of every container but one; equal later means that none fell."""
    name = stack.container(service)
    services = {stack.container(other) for other in stack.services()}
    return {
        item.name: (item.pid, item.restarts)
        for item in stack.podman.containers().values()
        if item.name in services and item.name != name
    }


def named_by_api(stack: Stack, service: str, since: float, *, silent: bool) -> None:
    """Wait until the API names a service; it is in time, counted from the moment `since` at which it went away."""
    within_s = SILENCE_NAMED_WITHIN_S if silent and service in BY_HEARTBEAT else NAMED_WITHIN_S
    wait_until(lambda: NAMED_BY_API[service] in failing(stack), deadline_s=within_s)
    assert clock.monotonic() - since < within_s


def conmon_of(pid: int) -> int:
    """Return the process that watches a container: the parent of its first one."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def well_again(stack: Stack) -> None:
    wait_until(lambda: not unwell(stack), deadline_s=WELL_AGAIN_S)
    wait_until(lambda: not failing(stack), deadline_s=WELL_AGAIN_S)


@pytest.mark.parametrize(("harm", "mend"), [(stop, start), (pause, unpause)], ids=["stopped", "paused"])
@pytest.mark.parametrize("service", SERVICES)
def test_one_that_is_away_is_named_and_comes_back(
    stack: Stack,
    service: str,
    harm: Callable[[Stack, str], None],
    mend: Callable[[Stack, str], None],
) -> None:
    before = others(stack, service)
    # The answer of the last moment is still good when it goes away: the hardest case.
    assert service not in NAMED_BY_API or failing(stack) == set()
    harm(stack, service)
    since = clock.monotonic()
    try:
        if service in NAMED_BY_API:
            named_by_api(stack, service, since, silent=harm is pause)
        # Nobody but the one that is away may be named by the host.
        assert unwell(stack) == {service}
    finally:
        mend(stack, service)
        well_again(stack)
    assert others(stack, service) == before


@pytest.mark.parametrize("service", SERVICES)
def test_one_that_is_killed_comes_back_by_itself(stack: Stack, service: str) -> None:
    before = others(stack, service)
    pid = stack.pid(service)
    conmon = conmon_of(pid)
    # Held back from starting it anew at once, so that there is something to name.
    os.kill(conmon, signal.SIGSTOP)
    try:
        # The process itself: what is ended through podman counts as stopped, and stays so.
        os.kill(pid, signal.SIGKILL)
        since = clock.monotonic()
        if service in NAMED_BY_API:
            named_by_api(stack, service, since, silent=True)
        assert unwell(stack) == {service}
    finally:
        os.kill(conmon, signal.SIGCONT)
        wait_until(lambda: stack.pid(service) not in {0, pid}, deadline_s=30)
        well_again(stack)
    assert others(stack, service) == before


def pool_worker(stack: Stack) -> str:
    """Return the name of the instance that serves the test's worker pool."""
    (found,) = set(stack.services()) - set(stack.services(pools=False))
    return found


def test_a_pools_worker_that_is_away_is_named_and_comes_back(stack: Stack) -> None:
    worker = pool_worker(stack)
    before = others(stack, worker)
    for harm, mend in ((pause, unpause), (stop, lambda stack, _: stack.command("stack", "up"))):
        harm(stack, worker)
        try:
            assert unwell(stack) == {worker}
            if harm is pause:
                set_back_heartbeats(stack, SET_BACK_S)
                wait_until(lambda: failing(stack) == {"workers"}, deadline_s=POOL_NAMED_WITHIN_S)
        finally:
            mend(stack, worker)
            well_again(stack)
    assert others(stack, worker) == before


def set_back_heartbeats(stack: Stack, seconds: int) -> None:
    """Let every pool's last sign of life be so much older."""
    statement = "update skerry.workers set last_heartbeat_at = last_heartbeat_at - make_interval(secs => %s)"
    stack.in_database(lambda one: one.execute(statement, (seconds,)))


def test_a_pools_worker_that_is_killed_comes_back_by_itself(stack: Stack) -> None:
    worker = pool_worker(stack)
    before = others(stack, worker)
    keeper = stack.pid(worker)
    children = [pid for pid in stack.pids(worker) if pid != keeper]
    assert children
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: bool(set(stack.pids(worker)) - {keeper, *children}), deadline_s=30)
    well_again(stack)
    assert stack.pid(worker) == keeper
    assert others(stack, worker) == before


def test_status_names_what_is_away_also_when_the_api_is(stack: Stack) -> None:
    stop(stack, "api")
    try:
        said = stack.command("stack", "status", check=False)
        assert said.status != 0
        assert "api" in said.stdout
        assert "does not answer" in said.stdout + said.stderr
    finally:
        start(stack, "api")
        well_again(stack)


def test_up_mends_what_is_away(stack: Stack) -> None:
    stop(stack, "valkey")
    stack.command("stack", "up")
    assert unwell(stack) == set()
