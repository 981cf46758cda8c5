"""`skerry bootstrap` and `skerry workers enroll`: an organisation on this host's stack, and a worker pool for a queue.

Contract: what touches the database runs in the API's container (`python -m skerry.bootstrap`), which alone holds its
secrets; what touches the host (the pool's key and container, the context file) is done here. Both may be run again
and go on where they stopped.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from skerry.base.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PreconditionError,
    SkerryError,
    UnavailableError,
)
from skerry.base.paths import write_atomic
from skerry.cli.stack import Here, here
from skerry.client.context import FILE_NAME, Context, store_context
from skerry.host import local
from skerry.host.edge import copy_ca, urls_of
from skerry.host.pools import load_pools, store_pool
from skerry.host.state import PRIVATE_FILE, PRIVATE_FOLDER
from skerry.stack.appliance import load_appliance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from skerry.host.podman import Podman
    from skerry.host.state import State
    from skerry.stack.plan import Plan

workers = typer.Typer(help="Worker pools of this host.", no_args_is_help=True)

API: Final = "api"
POOL_SERVICE: Final = "agent-worker"
EXEC_DEADLINE_S: Final = 120.0
LOOPBACK: Final = "127.0.0.1"
ERRORS: Final[Mapping[int, type[SkerryError]]] = {
    400: InvalidInputError,
    404: NotFoundError,
    409: ConflictError,
    412: PreconditionError,
    503: UnavailableError,
}

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def bootstrap(
    *,
    organization: Annotated[str, typer.Option(help="Slug: lower-case letters, digits, hyphens.")],
    admin_email: Annotated[str, typer.Option(help="The administrator's address.")],
    queue: Annotated[str, typer.Option(help="Its first worker queue.")] = "default",
    new_key: Annotated[bool, typer.Option("--new-key", help="Make another API key; the old ones stay.")] = False,
    hide: Annotated[
        bool, typer.Option("--hide-secrets", help="Keep key and password in files of this host; print neither.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make an organisation with its administrator, first API key, worker queue and worker pool."""
    at = here()
    podman = at.podman()
    with at.state.locked("bootstrap"):
        words = ["organization", f"--organization={organization}", f"--admin-email={admin_email}", f"--queue={queue}"]
        answer = run_inside(podman, at.plan(), [*words, *(["--new-key"] if new_key else [])])
        context = keep_context(at, podman, answer)
        enrolled = ensure_pool(at, podman, organization, answer["worker_queue"])
        answer |= {"context": str(context) if context else None, "pool": {"enrolled": enrolled}}
        if hide:
            answer = hide_secrets(at.state, answer)
    if as_json:
        print(json.dumps(answer, indent=2))
    else:
        print_bootstrap(answer)


@workers.command("enroll")
def enroll(
    organization: Annotated[str, typer.Argument(metavar="ORG", help="Slug of the organisation.")],
    queue: Annotated[str, typer.Argument(metavar="QUEUE", help="Name of the worker queue.")],
) -> None:
    """Run a worker pool for a queue on this host, with a new key of its own."""
    at = here()
    podman = at.podman()
    with at.state.locked("workers enroll"):
        queue_id = start_pool(at, podman, organization, queue)
    print(f"A worker pool of {organization}/{queue} runs: {instance_name_of(queue_id)}")


def run_inside(podman: Podman, plan: Plan, words: Sequence[str]) -> dict[str, Any]:
    """Run `python -m skerry.bootstrap` in the API's container and return its answer.

    Raises:
        PreconditionError: `bootstrap.no_api`.
        SkerryError: what the command inside raised, with its own code.
    """
    container = plan.instances[API].container
    found = podman.containers().get(container)
    if found is None or not found.running:
        raise PreconditionError("bootstrap.no_api", "the API does not run on this host", "run `skerry stack up`")
    done = podman.exec(container, ["python", "-m", "skerry.bootstrap", *words], deadline_s=EXEC_DEADLINE_S)
    if done.status == 0:
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer
    raise read_failure(done.stderr)


def read_failure(text: str) -> SkerryError:
    """Return the error that the last line of `text` writes as JSON, or one that shows this line."""
    last = text.strip().splitlines()[-1] if text.strip() else "it said nothing"
    try:
        told = json.loads(last)["error"]
        kind = ERRORS.get(int(told["status"]), SkerryError)
        return kind(str(told["code"]), str(told["message"]), str(told["hint"]))
    except (ValueError, KeyError, TypeError):
        return SkerryError("bootstrap.failed", f"the API's container says: {last}", "see `skerry stack logs api`")


def keep_context(at: Here, podman: Podman, answer: Mapping[str, Any]) -> Path | None:
    """Write the context of the new key (0600, in the state root) and return its path; None when no key was made."""
    key = answer["api_key"]
    if key is None:
        return None
    plan = at.plan()
    path = at.state.root / FILE_NAME
    url = urls_of(plan).get("https", f"https://{plan.site.name}")
    ca = copy_ca(plan, podman, at.state)
    slug = str(answer["organization"]["slug"])
    store_context(path, Context(url, key["token"], organization=slug, ca=ca, connect_to=LOOPBACK))
    return path


def hide_secrets(state: State, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the password in a file (0600); return the answer without it and without the key, which the context has."""
    administrator, key = dict(answer["administrator"]), answer["api_key"]
    if administrator["password"]:
        path = state.passwords / f"{answer['organization']['slug']}.{administrator['email']}"
        path.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        write_atomic(path, f"{administrator['password']}\n".encode(), mode=PRIVATE_FILE)
        administrator |= {"password": None, "password_file": str(path)}
    return {**answer, "administrator": administrator, "api_key": {**key, "token": None} if key else None}


def ensure_pool(at: Here, podman: Podman, organization: str, queue: Mapping[str, str]) -> bool:
    """Enrol a pool of the queue unless this host has one; return whether it was enrolled now."""
    if queue["id"] in {pool.queue_id for pool in load_pools(at.state)}:
        bring_up(at, podman, instance_name_of(queue["id"]))
        return False
    start_pool(at, podman, organization, queue["name"])
    return True


def start_pool(at: Here, podman: Podman, organization: str, queue: str) -> str:
    """Get a key for the queue, keep it, start the pool's worker; return the queue's id."""
    answer = run_inside(podman, at.plan(), ["pool-key", f"--organization={organization}", f"--queue={queue}"])
    queue_id = str(answer["worker_queue"]["id"])
    store_pool(
        at.state,
        queue_id=queue_id,
        organization_id=str(answer["organization"]["id"]),
        key=str(answer["pool_key"]["token"]),
        secrets=load_appliance(at.checkout).secrets,
    )
    bring_up(at, podman, instance_name_of(queue_id))
    return queue_id


def bring_up(at: Here, podman: Podman, name: str) -> None:
    """Start one instance beside the running stack and wait until it is well."""
    plan = at.plan(to_start=True)
    local.Driver(plan, podman, at.state, at.machine, at.checkout.root, at.progress).up_one(name)


def instance_name_of(queue_id: str) -> str:
    """Return the name of the worker of a queue's pool."""
    return f"{POOL_SERVICE}@{queue_id}"


def print_bootstrap(answer: Mapping[str, Any]) -> None:
    """Say what is there now; keys and passwords are shown by the run that made them, unless they were hidden."""
    organization, administrator, key = answer["organization"], answer["administrator"], answer["api_key"]
    made = "made" if organization["made"] else "was there already"
    print(f"Organisation {organization['slug']} ({organization['id']}) {made}.")
    print(f"Administrator {administrator['email']}")
    if administrator["password"]:
        print(f"  password, shown once: {administrator['password']}")
    if path := administrator.get("password_file"):
        print(f"  password, kept in {path}")
    if key and not key["token"]:
        print(f"API key, valid until {key['expires_at']}, kept for the commands of this host in {answer['context']}")
    elif key:
        print(f"API key, shown once, valid until {key['expires_at']}:\n{key['token']}")
        print(f"The commands of this host use it: {answer['context']}")
    else:
        print("No key was made: the administrator has one already. `--new-key` makes another.")
    print(f"Worker queue {answer['worker_queue']['name']} ({answer['worker_queue']['id']}), its pool runs here.")
