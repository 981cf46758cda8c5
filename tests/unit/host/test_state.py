"""Folders, modes, the lock, the site and the pools of a state root."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from skerry.base.errors import SkerryError
from skerry.base.process import run
from skerry.host.pools import load_pools, remove_pool, store_pool
from skerry.host.settings import read_settings
from skerry.host.state import DEFAULT_ROOT, State
from skerry.stack.plan import Site
from skerry.stack.secrets import parse_secrets

if TYPE_CHECKING:
    from pathlib import Path

QUEUES = [f"00000000-0000-7000-8000-00000000000{number}" for number in range(1, 4)]
ORGANIZATION = "00000000-0000-7000-8000-0000000000aa"
SECRETS = parse_secrets({"worker-${queue_id}": {"kind": "enrolled", "about": "x"}}, file="secrets.toml")


@pytest.fixture
def state(tmp_path: Path) -> State:
    found = State(tmp_path / "deep" / "state")
    found.make_folders()
    return found


def test_folders_have_their_modes_whatever_the_umask(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    before = os.umask(0o077)
    try:
        state.make_folders()
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.root.iterdir()}
    assert modes == {"secrets": 0o700, "pools": 0o700, "files": 0o755, "hosts": 0o755}
    assert stat.S_IMODE(state.root.stat().st_mode) == 0o755


def test_the_lock_is_free_after_its_holder_was_killed(state: State) -> None:
    text = (
        "import os, signal, sys; from pathlib import Path; from skerry.host.state import State\n"
        "with State(Path(sys.argv[1])).locked('stack up'): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = run(["python3", "-c", text, state.root], env={"PYTHONPATH": "src"}, check=False)
    assert done.status == -9
    with state.locked("stack down"):
        pass


def test_the_lock_names_who_holds_it(state: State) -> None:
    with state.locked("stack up"), pytest.raises(SkerryError) as caught, state.locked("stack down"):
        pass
    assert caught.value.code == "host.busy"
    assert f"`skerry stack up` (process {os.getpid()})" in caught.value.message


def test_a_site_is_kept(state: State) -> None:
    assert state.load_site() == Site()
    site = Site("skerry.example", "other", "10.9.0.0/16")
    state.store_site(site)
    assert state.load_site() == site


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("name = ", "stack.not_toml"),
        ('colour = "red"', "stack.unknown_key"),
        ("name = 1", "stack.wrong_type"),
        ('name = "a b"', "stack.bad_site"),
    ],
)
def test_a_damaged_site_is_refused(state: State, text: str, code: str) -> None:
    state.site.write_text(text)
    with pytest.raises(SkerryError) as caught:
        state.load_site()
    assert caught.value.code == code


def enroll(state: State, queue: str, key: str = "key") -> int:
    return store_pool(state, queue_id=queue, organization_id=ORGANIZATION, key=key, secrets=SECRETS).slot


def test_pools_keep_their_slot_and_free_ones_are_taken_again(state: State) -> None:
    assert load_pools(state) == ()
    assert [enroll(state, queue) for queue in QUEUES] == [0, 1, 2]
    assert enroll(state, QUEUES[1], "new") == 1
    assert (state.secrets / f"worker-{QUEUES[1]}").read_text() == "new"
    assert stat.S_IMODE((state.secrets / f"worker-{QUEUES[1]}").stat().st_mode) == 0o600
    remove_pool(state, QUEUES[0], secrets=SECRETS)
    assert [pool.slot for pool in load_pools(state)] == [1, 2]
    assert not (state.secrets / f"worker-{QUEUES[0]}").exists()
    assert enroll(state, QUEUES[0]) == 0


def test_pools_that_are_not_there_or_damaged_are_refused(state: State) -> None:
    with pytest.raises(SkerryError) as unknown:
        remove_pool(state, QUEUES[0], secrets=SECRETS)
    assert unknown.value.code == "host.unknown_pool"
    enroll(state, QUEUES[0])
    (state.pools / f"{QUEUES[0]}.toml").rename(state.pools / f"{QUEUES[1]}.toml")
    with pytest.raises(SkerryError) as other:
        load_pools(state)
    assert other.value.code == "host.bad_state"
    with pytest.raises(SkerryError) as bad:
        enroll(State(state.root / "x"), "not a uuid")
    assert bad.value.code == "stack.bad_pool"
    with pytest.raises(SkerryError) as none:
        store_pool(state, queue_id=QUEUES[0], organization_id=ORGANIZATION, key="k", secrets={})
    assert none.value.code == "host.no_pools"


def test_settings_come_from_the_environment() -> None:
    assert read_settings({}).state_root == DEFAULT_ROOT
    found = read_settings({"SKERRY_STATE": "/srv/x", "CONTAINERS_CONF": "/etc/y"})
    assert (str(found.state_root), found.containers_conf) == ("/srv/x", "/etc/y")
