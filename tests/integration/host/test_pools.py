"""A worker pool's instance: killed it comes back, and what holds its namespaces is named when it has gone."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.built import built_image
from tests.integration.host.small import ORGANIZATION, QUEUE, Small, make_small

from skerry.host.pools import store_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.integration

WORKER = f"worker@{QUEUE}"
OUTAGE_S = 5.0


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """Give the small appliance, up, with one worker pool; every test leaves it well."""
    found = make_small(tmp_path_factory.mktemp("pools"), built_image("python"))
    try:
        secrets = found.plan.appliance.secrets
        store_pool(found.state, queue_id=QUEUE, organization_id=ORGANIZATION, key="k", secrets=secrets)
        found.driver().up()
        yield found
    finally:
        found.clean()


def holder(small: Small) -> str:
    name = small.plan.instances[WORKER].holder
    assert name is not None
    return name


def pids(small: Small) -> dict[str, int]:
    return {item.name: item.pid for item in small.podman.containers().values()}


def wait_until(condition: Callable[[], bool], *, deadline_s: float = OUTAGE_S) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s} s"
        time.sleep(0.1)


def kill(pid: int) -> None:
    # Nought would be our own process group.
    assert pid > 0
    os.kill(pid, signal.SIGKILL)


def ports_of_bridges(small: Small) -> dict[str, int]:
    """Return how many ports the bridge of each of the pool's networks has."""
    own = {item.network.name for item in small.plan.instances[WORKER].attachments}
    return {
        name: len(list(Path(f"/sys/class/net/{record.interface}/brif").iterdir()))
        for name, record in small.podman.networks().items()
        if name in own
    }


def test_killed_again_and_again_it_comes_back_and_nothing_else_falls(small: Small) -> None:
    worker = small.plan.instances[WORKER].container
    before = pids(small)
    for _ in range(4):
        pid = small.pid(WORKER)
        kill(pid)
        wait_until(lambda pid=pid: small.pid(WORKER) not in {0, pid})  # type: ignore[misc]
        wait_until(lambda: small.rows()[WORKER].well)
    assert small.rows()[WORKER].restarts == 4
    after = pids(small)
    assert {name: pid for name, pid in after.items() if name != worker} == {
        name: pid for name, pid in before.items() if name != worker
    }
    assert set(ports_of_bridges(small).values()) == {2}, "the server's and its own"


def test_stopped_it_is_named_and_starts_again(small: Small) -> None:
    worker = small.plan.instances[WORKER].container
    small.podman.run(["stop", worker])
    assert (small.rows()[WORKER].state, small.rows()[WORKER].well) == ("stopped", False)
    small.podman.run(["start", worker])
    wait_until(lambda: small.rows()[WORKER].well)


def test_it_sees_its_own_secret_and_nothing_of_the_host(small: Small) -> None:
    def said(*words: str) -> list[str]:
        return small.podman.exec(small.plan.instances[WORKER].container, words, deadline_s=9).stdout.split()

    assert said("stat", "-c", "%u %a", "/run/secrets/worker-key") == ["2904", "400"]
    assert said("cat", "/proc/self/uid_map") == ["0", "1879048192", "65536"]
    assert said("ls", "-A", "/sys") == []
    assert said("cat", "/proc/net/if_inet6") == []
    assert said("cat", "/etc/resolv.conf") == ["nameserver", "127.0.0.1"]
    assert said("hostname") == ["worker"]
    devices = [line for line in said("cat", "/proc/net/dev") if line.endswith(":")]
    assert devices == ["lo:", "eth0:"]


@pytest.mark.parametrize("harm", ["kill", "stop"])
def test_without_its_holder_it_is_named_and_up_mends_it(small: Small, harm: str) -> None:
    before = {name: pid for name, pid in pids(small).items() if WORKER.split("@")[1] not in name}
    if harm == "kill":
        kill(pids(small)[holder(small)])
        wait_until(lambda: small.podman.containers()[holder(small)].status != "running")
        # It goes on in the namespaces that nobody holds any more.
        instance = small.plan.instances[WORKER]
        assert small.podman.exec(instance.container, instance.health, deadline_s=9).status == 0
    else:
        small.podman.run(["stop", holder(small)])
    row = small.rows()[WORKER]
    assert (row.state, row.well) == ("unheld", False)
    assert holder(small) in row.detail
    assert "skerry stack up" in row.detail
    assert small.rows()["front"].well
    small.driver().up()
    assert small.rows()[WORKER].well
    assert {name: pid for name, pid in pids(small).items() if WORKER.split("@")[1] not in name} == before
    assert set(ports_of_bridges(small).values()) == {2}, "nothing answers under the old address"


def test_down_leaves_nothing_of_it(small: Small) -> None:
    kill(small.pid(WORKER))
    small.down()
    assert small.ids() == {}
    assert small.podman.networks() == {}
    small.driver().up()
