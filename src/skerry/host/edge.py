"""What people need to reach the stack: its addresses, and the root certificate of the edge's internal CA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from skerry.base.paths import write_atomic

if TYPE_CHECKING:
    from skerry.host.podman import Podman
    from skerry.host.state import State
    from skerry.stack.plan import Instance, Plan

# Caddy's place of its internal CA's root below XDG_DATA_HOME (https://caddyserver.com/docs/conventions#data-directory).
CA_PATH = "caddy/pki/authorities/local/root.crt"
HTTPS = 443


def edge_of(plan: Plan) -> Instance | None:
    """Return the instance that publishes ports; None when nothing is published."""
    return next((item for item in plan.instances.values() if item.definition.publish), None)


def copy_ca(plan: Plan, podman: Podman, state: State) -> Path | None:
    """Copy the root certificate out of the edge's volume; None when the edge has none of its own."""
    edge = edge_of(plan)
    for volume in edge.volumes if edge else ():
        done = podman.run(["volume", "inspect", "--format={{.Mountpoint}}", volume.name])
        path = Path(done.stdout.strip()) / CA_PATH
        if path.is_file():
            write_atomic(state.ca_certificate, path.read_bytes())
            return state.ca_certificate
    return None


def urls_of(plan: Plan) -> dict[str, str]:
    """Return where each published port is, by the port's name: `https` -> `https://localhost`."""
    edge = edge_of(plan)
    if edge is None:
        return {}
    found: dict[str, str] = {}
    for publish in edge.definition.publish:
        host = plan.site.name if publish.port == HTTPS else f"{plan.site.name}:{publish.port}"
        found[publish.to] = f"https://{host}" if publish.to != "temporal" else host
    return found
