"""A stack that runs: who reaches whom, what is inside, what status says when something happens to a container."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.integration.built import built_image
from tests.integration.host.small import PORT, PREFIX, Small, make_small
from tests.integration.namespaces import in_network, network_of
from tests.integration.sink import HOST, OUTSIDE, outside_world

from skerry.base.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """Give the small appliance, up; every test leaves it well."""
    found = make_small(tmp_path_factory.mktemp("running"), built_image("python"))
    try:
        found.driver().up()
        yield found
    finally:
        found.clean()


def wait_for_well(small: Small, name: str, *, deadline_s: float = 20.0) -> None:
    end = time.monotonic() + deadline_s
    while not small.rows()[name].well:
        assert time.monotonic() < end, small.rows()[name]
        time.sleep(0.3)


def connects(small: Small, client: str, address: str, port: int) -> bool:
    """Say whether something in the client's network gets an answer within a second."""
    text = f"import socket; socket.create_connection(('{address}', {port}), timeout=1).close()"
    network = network_of(small.pid(client))
    return in_network(network, lambda: run([sys.executable, "-c", text], check=False).status == 0)


def test_secrets_are_files_of_their_user_and_nowhere_else(running: Small) -> None:
    key = (running.state.secrets / "store-key").read_text()
    for path in running.state.secrets.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(running.state.secrets.stat().st_mode) == 0o700
    store = running.plan.instances["store"].container
    shown = running.podman.exec(store, ["stat", "-c", "%u %a", "/run/secrets/store-config"], deadline_s=9).stdout
    assert shown.split() == ["2901", "400"]
    assert key not in running.podman.run(["inspect", store]).stdout
    assert key not in running.podman.exec(store, ["env"], deadline_s=9).stdout


def test_only_declared_edges_answer_in_their_direction(running: Small) -> None:
    plan = running.plan
    front, store = plan.instances["front"], plan.instances["store"]
    edge = plan.networks[f"{PREFIX}-front--store"].subnet
    assert connects(running, "front", edge.server, 7000)
    assert not connects(running, "store", edge.client, 7443), "a server calls nobody back"
    assert not connects(running, "front", edge.gateway, 22), "the host is not reached"
    for address in [item.address for item in front.attachments if item.network.internal]:
        assert not connects(running, "store", address, 7443)
    assert not any(connects_from_host(item.address, 7000) for item in store.attachments)
    assert connects_from_host("127.0.0.1", PORT), "people come in by the published port"


def connects_from_host(address: str, port: int) -> bool:
    text = f"import socket; socket.create_connection(('{address}', {port}), timeout=1).close()"
    return run([sys.executable, "-c", text], check=False).status == 0


def test_nothing_leaves_by_way_of_the_edge(running: Small) -> None:
    with outside_world() as world:
        for address in (HOST, OUTSIDE):
            assert connects_from_host(address, 80), "the test's own sink answers the host"
        before = world.total()
        for client in ("front", "store"):
            assert not any(connects(running, client, address, 80) for address in (HOST, OUTSIDE))
        assert world.total() == before
    for client in ("front", "store"):
        gateways = [item.network.subnet.gateway for item in running.plan.instances[client].attachments]
        assert not any(connects(running, client, gateway, PORT) for gateway in gateways), "nor back in by the port"


def test_inside_there_is_no_ipv6_no_foreign_name_and_no_way_to_write(running: Small) -> None:
    container = running.plan.instances["front"].container

    def said(*words: str) -> str:
        return running.podman.exec(container, words, deadline_s=9).stdout

    assert said("cat", "/proc/net/if_inet6") == ""
    assert said("cat", "/etc/resolv.conf").split() == ["nameserver", "127.0.0.1"]
    address = running.plan.instances["front"].hosts["store"]
    assert said("cat", "/etc/hosts") == f"127.0.0.1 localhost front\n{address} store\n"
    assert running.podman.exec(container, ["touch", "/x"], deadline_s=9).status != 0
    assert "NoNewPrivs:\t1" in said("cat", "/proc/self/status")
    assert "CapBnd:\t0000000000000000" in said("cat", "/proc/self/status")


def test_stopped_paused_and_killed_are_named_and_come_back(running: Small) -> None:
    front = running.plan.instances["front"].container
    running.podman.run(["stop", front])
    assert (running.rows()["front"].state, running.rows()["store"].well) == ("stopped", True)
    running.driver().up()
    running.podman.run(["pause", front])
    assert running.rows()["front"].state == "paused"
    running.driver().up()
    assert running.rows()["front"].well
    os.kill(running.pid("front"), signal.SIGKILL)
    wait_for_well(running, "front")
    assert running.rows()["front"].restarts >= 1


def test_an_unwell_service_is_named_with_what_its_command_said(running: Small) -> None:
    os.kill(running.pid("store"), signal.SIGSTOP)
    try:
        found = running.rows()["store"]
        assert (found.state, found.well) == ("unhealthy", False)
        assert "health command" in found.detail
    finally:
        os.kill(running.pid("store"), signal.SIGCONT)
