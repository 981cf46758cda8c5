"""The local driver on real containers: start, keep, replace, stop, and go on after an interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess  # noqa: TID251  a driver that is to be killed runs as a process of its own
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.host.small import ADDRESSES, ORGANIZATION, PREFIX, QUEUE, Small

from skerry.base.errors import ProcessError, SkerryError
from skerry.base.process import run
from skerry.host.pools import load_pools, remove_pool, store_pool
from skerry.host.status import not_well
from skerry.stack.plan import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

WORKER = f"worker@{QUEUE}"
CHECKOUT = Path(__file__).resolve().parents[3]
DRIVER = """
import signal, sys
from pathlib import Path
from tests.integration.host.small import Small
from skerry.base.paths import Checkout
from skerry.host.state import State
small = Small(Checkout(Path(sys.argv[1])), State(Path(sys.argv[2])), sys.argv[3])
# A session that was started in the background hands on an interrupt that is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
with small.state.locked("test"):
    {"up": lambda: small.driver().up(), "down": small.down, "clean": small.clean}[sys.argv[4]]()
"""
ONCE = '''\
"""Begin something that cannot be begun twice, and take a while."""
import pathlib, time
pathlib.Path("/data/begun").touch(exist_ok=False)
time.sleep(4)
'''
VOLUME = """
[[volumes]]
name = "prepare"
target = "/data"
[limits]"""


def test_up_starts_in_order_and_a_second_up_changes_nothing(small: Small) -> None:
    small.driver().up()
    found = small.rows()
    assert {name: row.state for name, row in found.items()} == {
        "front": "running",
        "prepare": "done",
        "store": "running",
    }
    assert not not_well(list(found.values()))
    assert found["store"].memory > 0
    before = small.ids()
    small.driver().up()
    assert small.ids() == before


def test_only_what_changed_is_made_anew(small: Small) -> None:
    small.driver().up()
    before = small.ids()
    small.edit("appliance/services/front.toml", 'about = "lets people in"', 'about = "says welcome"')
    small.driver().up()
    assert small.ids() == before, "a description changes no container"
    small.edit("appliance/services/front.toml", "memory_mib = 64", "memory_mib = 80")
    small.driver().up()
    after = small.ids()
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
    small.down()
    assert small.ids() == {}
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


def test_a_job_that_fails_says_what_it_said(small: Small) -> None:
    small.edit("appliance/services/prepare.toml", '"store", "7000"]', '"store", "7001"]')
    with pytest.raises(ProcessError) as caught:
        small.driver().up()
    assert caught.value.code == "host.job_failed"
    assert "Traceback" in caught.value.message
    assert small.rows()["prepare"].state == "failed"
    small.edit("appliance/services/prepare.toml", '"store", "7001"]', '"store", "7000"]')
    small.driver().up()
    assert small.rows()["prepare"].state == "done"


def test_a_service_that_keeps_ending_is_stopped_and_said(small: Small) -> None:
    small.edit("appliance/services/store.toml", '"/etc/small/server.py", "7000"', '"/etc/small/gone.py", "7000"')
    with pytest.raises(ProcessError) as caught:
        small.driver().up()
    assert caught.value.code == "host.not_well"
    assert "gone.py" in caught.value.message


def test_a_worker_pool_joins_and_leaves_a_running_stack(small: Small) -> None:
    small.driver().up()
    before = small.ids()
    secrets = small.plan.appliance.secrets
    store_pool(small.state, queue_id=QUEUE, organization_id=ORGANIZATION, key="the pool's", secrets=secrets)
    small.driver().up_one(WORKER)
    assert small.rows()[WORKER].well
    container = small.plan.instances[WORKER].container
    said = small.podman.exec(container, ["cat", "/run/secrets/worker-key", "/proc/self/uid_map"], deadline_s=9).stdout
    assert said.split() == ["the", "pool's0", "1879048192", "65536"] or "1879048192" in said
    assert {name: value for name, value in small.ids().items() if name in before} == before
    small.driver().up()
    assert {name: value for name, value in small.ids().items() if name in before} == before
    store_pool(small.state, queue_id=QUEUE, organization_id=ORGANIZATION, key="another", secrets=secrets)
    small.driver().up_one(WORKER)
    assert small.podman.exec(container, ["cat", "/run/secrets/worker-key"], deadline_s=9).stdout == "another"
    remove_pool(small.state, QUEUE, secrets=secrets)
    assert load_pools(small.state) == ()
    small.driver().up()
    assert small.ids() == before
    assert set(small.podman.networks()) == set(small.plan.networks)


@contextmanager
def command_at(small: Small, command: str, step: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command as a process of its own until it says that it begins `step`; it still runs then, and ends here."""
    words = [sys.executable, "-c", DRIVER, str(small.checkout.root), str(small.state.root), small.image, command]
    environment = {**os.environ, "PYTHONPATH": f"{CHECKOUT / 'src'}:{CHECKOUT}"}  # noqa: TID251  for the child
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stderr is not None
            said = []
            while (line := child.stderr.readline()) and not line.startswith(f"  .. {step}"):
                said.append(line)
            assert line, said
            yield child
        finally:
            child.kill()


def kill_at(small: Small, command: str, step: str, delay_s: float) -> None:
    """Kill a command so long after it began `step`."""
    with command_at(small, command, step) as child:
        time.sleep(delay_s)
        assert child.poll() is None, "it had ended already"


@pytest.mark.parametrize(
    ("up_step", "delay_s", "command", "end_step"),
    [
        ("secrets and configuration", 0.1, "down", "stop skerry-small-front"),
        ("networks and packet filter", 0.3, "down", "stop skerry-small-store"),
        ("service store", 0.5, "down", "networks and packet filter"),
        ("job prepare", 0.2, "clean", "stop skerry-small-store"),
        ("service front", 0.0, "clean", "volumes, secrets and state"),
    ],
)
def test_killed_at_any_step_the_next_command_mends_it(
    small: Small, up_step: str, delay_s: float, command: str, end_step: str
) -> None:
    kill_at(small, "up", up_step, delay_s)
    small.driver().up()
    assert not not_well(list(small.rows().values()))
    kill_at(small, command, end_step, 0.0)
    small.down()
    assert small.ids() == {}
    assert small.podman.networks() == {}
    assert "skerry_small" not in run(["nft", "list", "tables"]).stdout
    if end_step == "volumes, secrets and state":
        small.state.make_folders()
        small.state.store_site(Site("small.example", PREFIX, ADDRESSES))
        small.driver().up()
        assert not not_well(list(small.rows().values()))


def test_a_clean_that_stopped_halfway_starts_no_pool_again(small: Small) -> None:
    """Its key went with the database: a worker that is never let in would hold up every later `up`."""
    store_pool(small.state, queue_id=QUEUE, organization_id=ORGANIZATION, key="k", secrets=small.plan.appliance.secrets)
    small.driver().up()
    small.down()
    (volume,) = small.podman.volumes()
    small.podman.run(["create", "--name=skerry-small-in-the-way", f"--volume={volume}:/data", small.image, "true"])
    with pytest.raises(ProcessError, match="volume"):
        small.clean()
    small.podman.run(["rm", "skerry-small-in-the-way"])
    assert load_pools(small.state) == ()
    small.driver().up()
    assert not not_well(list(small.rows().values()))


def test_a_job_that_a_killed_up_left_running_is_waited_for(small: Small) -> None:
    """Cut short and run again it would fail for ever, as a half made schema does."""
    (small.checkout.root / "appliance/config/programs/once.py").write_text(ONCE)
    small.edit("appliance/services/prepare.toml", '"/etc/small/client.py", "store", "7000"]', '"/etc/small/once.py"]')
    small.edit("appliance/services/prepare.toml", "[limits]", VOLUME)
    with command_at(small, "up", "job prepare"):
        end = time.monotonic() + 20
        while small.rows()["prepare"].state != "running":
            assert time.monotonic() < end
    assert small.rows()["prepare"].state == "running"
    begun = small.ids()["skerry-small-prepare"]
    small.driver().up()
    assert small.ids()["skerry-small-prepare"] == begun
    assert not not_well(list(small.rows().values()))


def test_ctrl_c_ends_at_once_while_something_is_not_well(small: Small) -> None:
    path = "appliance/services/front.toml"
    small.edit(
        path, '"/etc/small/client.py", "store", "7000"]\nstart_deadline_s = 20', '"/gone"]\nstart_deadline_s = 600'
    )
    with command_at(small, "up", "service front") as child:
        end = time.monotonic() + 60
        while small.rows()["front"].state != "unhealthy":
            assert time.monotonic() < end
            time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=15) != 0
    small.edit(
        path, '"/gone"]\nstart_deadline_s = 600', '"/etc/small/client.py", "store", "7000"]\nstart_deadline_s = 20'
    )
    small.driver().up()
    assert not not_well(list(small.rows().values()))


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
    assert not not_well(list(small.rows().values()))
    assert all(item.subnets[0].startswith("10.216.") for item in small.podman.networks().values())
    assert json.loads(run(["nft", "--json", "list", "tables"]).stdout)
