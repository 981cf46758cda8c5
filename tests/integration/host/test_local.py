"""The local driver on real containers: start, keep, replace, stop, and go on after an interruption."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess  # noqa: TID251  a driver that is to be killed runs as a process of its own
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.host.small import ORGANIZATION, PORT, PREFIX, QUEUE, Small
from tests.integration.namespaces import in_network, network_of
from tests.integration.sink import HOST, OUTSIDE, outside_world

from skerry.base.errors import ProcessError, SkerryError
from skerry.base.process import run
from skerry.base.progress import Progress
from skerry.host import local
from skerry.host.pools import load_pools, remove_pool, store_pool
from skerry.host.status import not_well, read_status

if TYPE_CHECKING:
    from skerry.host.status import Row

pytestmark = pytest.mark.integration

WORKER = f"worker@{QUEUE}"
CHECKOUT = Path(__file__).resolve().parents[3]
DRIVER = """
import sys
from pathlib import Path
from tests.integration.host.small import PREFIX, Small
from skerry.base.paths import Checkout
from skerry.base.progress import Progress
from skerry.host import local
from skerry.host.state import State
small = Small(Checkout(Path(sys.argv[1])), State(Path(sys.argv[2])), sys.argv[3])
with small.state.locked("test"):
    if sys.argv[4] == "up":
        small.driver().up()
    else:
        local.down(small.podman, small.state, prefix=PREFIX, progress=Progress())
"""


def ids(small: Small) -> dict[str, str]:
    """Return the ids of the containers that are there."""
    done = small.podman.run(
        ["ps", "--all", "--format={{.Names}} {{.ID}}", f"--filter=label=skerry.state={small.state.root}"]
    )
    return dict(line.split() for line in done.stdout.splitlines())


def rows(small: Small) -> dict[str, Row]:
    return {row.name: row for row in read_status(small.plan, small.podman)}


def wait_for_well(small: Small, name: str, *, deadline_s: float = 20.0) -> None:
    end = time.monotonic() + deadline_s
    while not rows(small)[name].well:
        assert time.monotonic() < end, rows(small)[name]
        time.sleep(0.3)


def pid_of(small: Small, name: str) -> int:
    return small.podman.containers()[small.plan.instances[name].container].pid


def connects(small: Small, client: str, address: str, port: int) -> bool:
    """Say whether something in the client's network gets an answer within a second."""
    text = f"import socket; socket.create_connection(('{address}', {port}), timeout=1).close()"
    network = network_of(pid_of(small, client))
    return in_network(network, lambda: run([sys.executable, "-c", text], check=False).status == 0)


def down(small: Small) -> None:
    local.down(small.podman, small.state, prefix=PREFIX, progress=Progress())


def test_up_starts_in_order_and_a_second_up_changes_nothing(small: Small) -> None:
    small.driver().up()
    found = rows(small)
    assert {name: row.state for name, row in found.items()} == {
        "front": "running",
        "prepare": "done",
        "store": "running",
    }
    assert not not_well(list(found.values()))
    assert found["store"].memory > 0
    before = ids(small)
    small.driver().up()
    assert ids(small) == before


def test_only_what_changed_is_made_anew(small: Small) -> None:
    small.driver().up()
    before = ids(small)
    small.edit("appliance/services/front.toml", 'about = "lets people in"', 'about = "says welcome"')
    small.driver().up()
    assert ids(small) == before, "a description changes no container"
    small.edit("appliance/services/front.toml", "memory_mib = 64", "memory_mib = 80")
    small.driver().up()
    after = ids(small)
    assert after.pop("skerry-small-front") != before.pop("skerry-small-front")
    assert after == before


def test_a_changed_file_and_a_changed_template_reach_the_container(small: Small) -> None:
    small.driver().up()
    store = small.plan.instances["store"].container
    small.edit("appliance/config/store.in", "key = ", "the key = ")
    small.edit("appliance/config/programs/wait.py", "Wait", "Please wait")
    small.driver().up()
    key = (small.state.secrets / "store-key").read_text()
    assert small.podman.exec(store, ["cat", "/run/secrets/store-config"], deadline_s=9).stdout == f"the key = {key}\n"
    assert "Please" in small.podman.exec(store, ["cat", "/etc/small/wait.py"], deadline_s=9).stdout
    assert len(list(small.state.files.iterdir())) == 1, "old copies are removed"


def test_data_and_secrets_survive_down_and_up(small: Small) -> None:
    small.driver().up()
    key = (small.state.secrets / "store-key").read_text()
    down(small)
    assert ids(small) == {}
    assert small.podman.networks() == {}
    assert run(["nft", "list", "tables"]).stdout.count("skerry_small") == 0
    small.driver().up()
    store = small.plan.instances["store"].container
    assert small.podman.exec(store, ["cat", "/data/count"], deadline_s=9).stdout == "2"
    assert (small.state.secrets / "store-key").read_text() == key


def test_clean_leaves_nothing(small: Small) -> None:
    small.driver().up()
    small.clean()
    assert list(small.state.root.iterdir()) == []
    podman = small.podman
    assert podman.containers() == {}
    assert podman.volumes() == frozenset()
    assert podman.secrets() == {}


def test_secrets_are_files_of_their_user_and_nowhere_else(small: Small) -> None:
    small.driver().up()
    key = (small.state.secrets / "store-key").read_text()
    for path in small.state.secrets.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(small.state.secrets.stat().st_mode) == 0o700
    store = small.plan.instances["store"].container
    shown = small.podman.exec(store, ["stat", "-c", "%u %a", "/run/secrets/store-config"], deadline_s=9).stdout
    assert shown.split() == ["2901", "400"]
    assert key not in small.podman.run(["inspect", store]).stdout
    assert key not in small.podman.exec(store, ["env"], deadline_s=9).stdout


def test_only_declared_edges_answer_in_their_direction(small: Small) -> None:
    small.driver().up()
    plan = small.plan
    front, store = plan.instances["front"], plan.instances["store"]
    edge = plan.networks[f"{PREFIX}-front--store"].subnet
    assert connects(small, "front", edge.server, 7000)
    assert not connects(small, "store", edge.client, 7443), "a server calls nobody back"
    assert not connects(small, "front", edge.gateway, 22), "the host is not reached"
    for address in [item.address for item in front.attachments if item.network.internal]:
        assert not connects(small, "store", address, 7443)
    assert not any(connects_from_host(item.address, 7000) for item in store.attachments)
    assert connects_from_host("127.0.0.1", PORT), "people come in by the published port"


def connects_from_host(address: str, port: int) -> bool:
    text = f"import socket; socket.create_connection(('{address}', {port}), timeout=1).close()"
    return run([sys.executable, "-c", text], check=False).status == 0


def test_nothing_leaves_by_way_of_the_edge(small: Small) -> None:
    small.driver().up()
    with outside_world() as world:
        for address in (HOST, OUTSIDE):
            assert connects_from_host(address, 443), "the test's own sink answers the host"
        before = world.total()
        for client in ("front", "store"):
            assert not any(connects(small, client, address, 443) for address in (HOST, OUTSIDE))
        assert world.total() == before


def test_inside_there_is_no_ipv6_no_foreign_name_and_no_way_to_write(small: Small) -> None:
    small.driver().up()
    container = small.plan.instances["front"].container

    def said(*words: str) -> str:
        return small.podman.exec(container, words, deadline_s=9).stdout

    assert said("cat", "/proc/net/if_inet6") == ""
    assert said("cat", "/etc/resolv.conf").split() == ["nameserver", "127.0.0.1"]
    address = small.plan.instances["front"].hosts["store"]
    assert said("cat", "/etc/hosts") == f"127.0.0.1 localhost front\n{address} store\n"
    assert small.podman.exec(container, ["touch", "/x"], deadline_s=9).status != 0
    assert "NoNewPrivs:\t1" in said("cat", "/proc/self/status")
    assert "CapBnd:\t0000000000000000" in said("cat", "/proc/self/status")


def test_stopped_paused_and_killed_are_named_and_come_back(small: Small) -> None:
    small.driver().up()
    front = small.plan.instances["front"].container
    small.podman.run(["stop", front])
    assert (rows(small)["front"].state, rows(small)["store"].well) == ("stopped", True)
    small.driver().up()
    small.podman.run(["pause", front])
    assert rows(small)["front"].state == "paused"
    small.driver().up()
    assert rows(small)["front"].well
    os.kill(pid_of(small, "front"), signal.SIGKILL)
    wait_for_well(small, "front")
    assert rows(small)["front"].restarts >= 1


def test_an_unwell_service_is_named_with_what_its_command_said(small: Small) -> None:
    small.driver().up()
    os.kill(pid_of(small, "store"), signal.SIGSTOP)
    try:
        found = rows(small)["store"]
        assert (found.state, found.well) == ("unhealthy", False)
        assert "health command" in found.detail
    finally:
        os.kill(pid_of(small, "store"), signal.SIGCONT)


def test_a_job_that_fails_says_what_it_said(small: Small) -> None:
    small.edit("appliance/services/prepare.toml", '"store", "7000"]', '"store", "7001"]')
    with pytest.raises(ProcessError) as caught:
        small.driver().up()
    assert caught.value.code == "host.job_failed"
    assert "Traceback" in caught.value.message
    assert rows(small)["prepare"].state == "failed"
    small.edit("appliance/services/prepare.toml", '"store", "7001"]', '"store", "7000"]')
    small.driver().up()
    assert rows(small)["prepare"].state == "done"


def test_a_service_that_keeps_ending_is_stopped_and_said(small: Small) -> None:
    small.edit("appliance/services/store.toml", '"/etc/small/server.py", "7000"', '"/etc/small/gone.py", "7000"')
    with pytest.raises(ProcessError) as caught:
        small.driver().up()
    assert caught.value.code == "host.not_well"
    assert "gone.py" in caught.value.message


def test_a_worker_pool_joins_and_leaves_a_running_stack(small: Small) -> None:
    small.driver().up()
    before = ids(small)
    secrets = small.plan.appliance.secrets
    store_pool(small.state, queue_id=QUEUE, organization_id=ORGANIZATION, key="the pool's", secrets=secrets)
    small.driver().up_one(WORKER)
    assert rows(small)[WORKER].well
    container = small.plan.instances[WORKER].container
    said = small.podman.exec(container, ["cat", "/run/secrets/worker-key", "/proc/self/uid_map"], deadline_s=9).stdout
    assert said.split() == ["the", "pool's0", "1879048192", "65536"] or "1879048192" in said
    assert {name: value for name, value in ids(small).items() if name in before} == before
    small.driver().up()
    assert {name: value for name, value in ids(small).items() if name in before} == before
    store_pool(small.state, queue_id=QUEUE, organization_id=ORGANIZATION, key="another", secrets=secrets)
    small.driver().up_one(WORKER)
    assert small.podman.exec(container, ["cat", "/run/secrets/worker-key"], deadline_s=9).stdout == "another"
    remove_pool(small.state, QUEUE, secrets=secrets)
    assert load_pools(small.state) == ()
    small.driver().up()
    assert ids(small) == before
    assert set(small.podman.networks()) == set(small.plan.networks)


@pytest.mark.parametrize("command", ["up", "down"])
def test_killed_anywhere_the_next_command_mends_it(small: Small, command: str) -> None:
    words = [sys.executable, "-c", DRIVER, str(small.checkout.root), str(small.state.root), small.image]
    environment = {**os.environ, "PYTHONPATH": f"{CHECKOUT / 'src'}:{CHECKOUT}"}  # noqa: TID251  for the child
    for delay_s in (0.4, 0.8, 1.2, 1.7, 2.4, 3.2):
        if command == "down":
            small.driver().up()
        child = subprocess.Popen([*words, command], env=environment, stderr=subprocess.DEVNULL)
        time.sleep(delay_s)
        child.kill()
        child.wait()
        if command == "down" or delay_s > 2:
            down(small)
        else:
            small.driver().up()
            assert not not_well(list(rows(small).values()))
            down(small)
        assert ids(small) == {}
        assert small.podman.networks() == {}


def test_ctrl_c_ends_at_once_while_something_is_not_well(small: Small) -> None:
    path = "appliance/services/front.toml"
    small.edit(
        path, '"/etc/small/client.py", "store", "7000"]\nstart_deadline_s = 20', '"/gone"]\nstart_deadline_s = 600'
    )
    words = [sys.executable, "-c", DRIVER, str(small.checkout.root), str(small.state.root), small.image, "up"]
    environment = {**os.environ, "PYTHONPATH": f"{CHECKOUT / 'src'}:{CHECKOUT}"}  # noqa: TID251  for the child
    child = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not rows(small)["front"].state == "unhealthy":
        assert time.monotonic() < end
        time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=15) != 0
    small.edit(
        path, '"/gone"]\nstart_deadline_s = 600', '"/etc/small/client.py", "store", "7000"]\nstart_deadline_s = 20'
    )
    small.driver().up()
    assert not not_well(list(rows(small).values()))


def test_one_command_at_a_time(small: Small) -> None:
    with small.state.locked("stack up"), pytest.raises(SkerryError) as caught, small.state.locked("stack down"):
        pass
    assert caught.value.code == "host.busy"
    assert f"`skerry stack up` (process {os.getpid()})" in caught.value.message


def test_a_subnet_that_changed_is_made_anew(small: Small) -> None:
    small.driver().up()
    site = small.state.load_site()
    small.state.site.write_text(small.state.site.read_text().replace(site.addresses, "10.216.0.0/16"))
    small.driver().up()
    assert not not_well(list(rows(small).values()))
    assert all(item.subnets[0].startswith("10.216.") for item in small.podman.networks().values())
    assert json.loads(run(["nft", "--json", "list", "tables"]).stdout)
