"""Worker pools of a local stack: one record each, and the key that the API gave for it.

Contract: a pool keeps its slot, and with it its addresses and user ids, from enrolment until it is taken away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.base.errors import InvalidInputError, NotFoundError
from skerry.base.paths import write_atomic
from skerry.host.secrets import store_secret
from skerry.host.state import PRIVATE_FILE
from skerry.stack.graph import pool_slots
from skerry.stack.parse import Place, parse, read_toml
from skerry.stack.plan import Pool
from skerry.stack.secrets import POOL_MARK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skerry.host.state import State
    from skerry.stack.secrets import Secret


def load_pools(state: State) -> tuple[Pool, ...]:
    """Return every enrolled pool, by slot; none is no error.

    Raises:
        InvalidInputError: `host.bad_state`, `stack.bad_pool`, and those of stack.parse, when a record is damaged.
    """
    found: list[Pool] = []
    for path in sorted(state.pools.glob("*.toml")) if state.pools.is_dir() else ():
        pool = parse(Pool, read_toml(path, name=str(path)), Place(str(path)))
        if path.stem != pool.queue_id:
            raise InvalidInputError(
                "host.bad_state", f"{path} is the record of {pool.queue_id}", "enrol the pool again"
            )
        found.append(pool)
    return tuple(sorted(found, key=lambda pool: pool.slot))


def store_pool(state: State, *, queue_id: str, organization_id: str, key: str, secrets: Mapping[str, Secret]) -> Pool:
    """Keep a pool's record and key; the same queue again keeps its slot and takes the new key.

    Call it under the state's lock, then bring the instance up.

    Args:
        state: of the stack.
        queue_id: UUID of the queue.
        organization_id: UUID of its organisation.
        key: what the API gave.
        secrets: of the appliance: the enrolled one gives the key its name.

    Raises:
        InvalidInputError: `stack.bad_pool`, `stack.too_many_pools`, `host.no_pools` when no secret is enrolled.
    """
    pattern = next((secret.name for secret in secrets.values() if secret.kind == "enrolled"), None)
    if pattern is None:
        raise InvalidInputError("host.no_pools", "appliance/secrets.toml has no enrolled secret", "add one")
    state.make_folders()
    there = load_pools(state)
    known = next((pool for pool in there if pool.queue_id == queue_id), None)
    taken = {pool.slot for pool in there}
    slot = known.slot if known else next((n for n in range(pool_slots()) if n not in taken), pool_slots())
    pool = Pool(queue_id, organization_id, slot)
    # The key first: a record without a key would stop `up`.
    store_secret(pattern.replace(POOL_MARK, queue_id), key.encode(), state)
    text = f'queue_id = "{pool.queue_id}"\norganization_id = "{pool.organization_id}"\nslot = {pool.slot}\n'
    write_atomic(state.pools / f"{pool.queue_id}.toml", text.encode(), mode=PRIVATE_FILE)
    return pool


def remove_pool(state: State, queue_id: str, *, secrets: Mapping[str, Secret]) -> None:
    """Forget a pool and its key; the next `up` takes its container and networks away.

    Raises:
        NotFoundError: `host.unknown_pool`.
    """
    path = state.pools / f"{queue_id}.toml"
    if queue_id not in {pool.queue_id for pool in load_pools(state)}:
        raise NotFoundError(
            "host.unknown_pool", f"no worker pool {queue_id} is enrolled here", "see `skerry stack status`"
        )
    path.unlink()
    for secret in secrets.values():
        if secret.kind == "enrolled":
            (state.secrets / secret.name.replace(POOL_MARK, queue_id)).unlink(missing_ok=True)
