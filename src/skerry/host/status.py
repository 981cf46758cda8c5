"""What runs and how well, asked of podman, of every health command, and of the API when it answers."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from skerry.host import health
from skerry.host.edge import HTTPS, edge_of
from skerry.host.holders import is_lost
from skerry.host.memory import memory_by_container
from skerry.stack.checks import ANY_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from skerry.host.podman import Container, Podman
    from skerry.host.state import State
    from skerry.stack.plan import Instance, Plan

API_PATH = "/api/health/detailed"
API_DEADLINE_S = 3.0
PARALLEL = 8


@dataclass(frozen=True)
class Row:
    """One instance: `well` is what counts, `detail` says why not. Times are podman's, memory is in bytes (PSS)."""

    name: str
    kind: str
    state: str
    well: bool
    detail: str
    since: str
    image: str
    restarts: int
    memory: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_status(plan: Plan, podman: Podman) -> list[Row]:
    """Return one row an instance, by name."""
    there = podman.containers()
    memory = memory_by_container({item.name: item.pid for item in there.values() if item.running})
    with ThreadPoolExecutor(PARALLEL) as threads:
        rows = threads.map(
            lambda item: _row(item, there, podman, memory.get(item.container, 0)),
            plan.instances.values(),
        )
        return list(rows)


def not_well(rows: Sequence[Row]) -> list[Row]:
    """Return those that are not as they should be."""
    return [row for row in rows if not row.well]


def ask_api(plan: Plan, state: State) -> dict[str, Any]:
    """Return what the API says of what it may reach: its own words, or `error` with why there are none.

    It is asked as people ask it, through the edge, whose certificate is checked against the copy of its root.
    """
    edge = edge_of(plan)
    publish = next((item for item in edge.definition.publish if item.port == HTTPS), None) if edge else None
    if publish is None:
        return {"error": "this appliance publishes no API"}
    try:
        trust = ssl.create_default_context(cafile=str(state.ca_certificate))
        return _get(plan.site.name, "127.0.0.1" if publish.address == ANY_ADDRESS else publish.address, trust)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return {"error": f"it does not answer through the edge: {error}"}


def _get(name: str, address: str, trust: ssl.SSLContext) -> dict[str, Any]:
    """Ask under the site's name at an address of this host: the name may mean another address to this host."""
    connection = http.client.HTTPSConnection(name, HTTPS, timeout=API_DEADLINE_S)
    plain = socket.create_connection((address, HTTPS), timeout=API_DEADLINE_S)
    try:
        connection.sock = trust.wrap_socket(plain, server_hostname=name)
        connection.request("GET", API_PATH, headers={"Accept": "application/json"})
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            # The edge speaks in its place, with a table of its own.
            return {"error": f"it does not answer through the edge, which says {response.status}"}
        body = json.loads(response.read())
        return body if isinstance(body, dict) else {"error": "it answered with no table"}
    finally:
        connection.close()
        plain.close()


def _row(instance: Instance, containers: Mapping[str, Container], podman: Podman, memory: int) -> Row:
    there = containers.get(instance.container)
    if there is None:
        state, detail = "missing", "it has no container: run up"
    elif instance.definition.kind == "job":
        state, detail = _job(there)
    elif there.running and is_lost(instance, containers):
        state, detail = "unheld", f"{instance.holder}, which holds its networks, has ended: run `skerry stack up`"
    else:
        state, detail = _service(instance, there, podman)
    ended = there is not None and not there.running
    return Row(
        name=instance.name,
        kind=instance.definition.kind,
        state=state,
        well=not detail,
        detail=detail,
        since="" if there is None else (there.finished_at if ended else there.started_at),
        image=there.image if there else instance.image,
        restarts=there.restarts if there else 0,
        memory=memory,
    )


def _job(there: Container) -> tuple[str, str]:
    if there.status != "exited":
        return there.status, "it has not ended"
    return ("done", "") if there.exit_code == 0 else ("failed", f"it ended with {there.exit_code}")


def _service(instance: Instance, there: Container, podman: Podman) -> tuple[str, str]:
    if there.status == "exited":
        return "stopped", f"it ended with {there.exit_code}"
    if not there.running:
        return there.status, f"it is {there.status}"
    reason = health.check_once(instance, podman)
    return ("running", "") if reason is None else ("unhealthy", reason)
