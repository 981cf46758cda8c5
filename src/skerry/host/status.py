"""What runs and how well, asked of podman, of every health command, and of the API when it answers."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from skerry.host import health
from skerry.host.memory import memory_by_container

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skerry.host.podman import Container, Podman
    from skerry.stack.plan import Instance, Plan

API = "api"
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
            lambda item: _row(item, there.get(item.container), podman, memory.get(item.container, 0)),
            plan.instances.values(),
        )
        return list(rows)


def not_well(rows: Sequence[Row]) -> list[Row]:
    """Return those that are not as they should be."""
    return [row for row in rows if not row.well]


def ask_api(plan: Plan) -> dict[str, Any]:
    """Return what the API says of what it may reach: its own words, or why there are none.

    The host's root reaches the API's container by its address; no name, certificate or edge is in between.
    """
    instance = plan.instances.get(API)
    if instance is None or not instance.attachments or not instance.definition.ports:
        return {"error": "this appliance has no API"}
    address = instance.attachments[0].address
    port = next(iter(instance.definition.ports.values()))
    connection = http.client.HTTPConnection(address, port, timeout=API_DEADLINE_S)
    try:
        connection.request("GET", API_PATH, headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = json.loads(response.read())
        return body if isinstance(body, dict) else {"error": f"it answered {response.status} with no table"}
    except (OSError, http.client.HTTPException, ValueError) as error:
        return {"error": f"it does not answer: {error!r}"}
    finally:
        connection.close()


def _row(instance: Instance, there: Container | None, podman: Podman, memory: int) -> Row:
    if there is None:
        state, detail = "missing", "it has no container: run up"
    elif instance.definition.kind == "job":
        state, detail = _job(there)
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
        image=instance.image,
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
