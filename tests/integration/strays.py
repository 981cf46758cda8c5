"""What a killed test session leaves: its stacks' containers, networks and bridges, taken away before the next begins.

Only what carries the label of a state root under the tests' own folders is touched, and bridges in the tests' own
address pool that no network of podman owns.
"""

from __future__ import annotations

import json

from skerry.base.process import run
from skerry.host.podman import LABEL_STATE

SMALL_ROOTS = ("/tmp/pytest-of-",)  # noqa: S108  pytest's own folder, read as a name
ALL_ROOTS = (*SMALL_ROOTS, "/var/lib/skerry/test")
OWN_ADDRESSES = "10.214."


def remove_strays(roots: tuple[str, ...] = ALL_ROOTS) -> None:
    """Remove what earlier test sessions left of stacks in `roots`; the caller holds the lock that says none is used."""
    listed = json.loads(run(["podman", "ps", "--all", "--format=json"]).stdout or "[]") or []
    for item in listed:
        if (item.get("Labels") or {}).get(LABEL_STATE, "").startswith(roots):
            # With what hangs on it: a pool's worker on its holder.
            run(["podman", "rm", "--force", "--depend", "--time=0", item["Names"][0]], check=False)
    networks = json.loads(run(["podman", "network", "ls", "--format=json"]).stdout or "[]") or []
    for network in networks:
        if (network.get("labels") or {}).get(LABEL_STATE, "").startswith(roots):
            run(["podman", "network", "rm", "--force", network["name"]], check=False)
    owned = {network.get("network_interface") for network in networks}
    for route in json.loads(run(["ip", "-json", "-4", "route"]).stdout or "[]"):
        device = str(route.get("dev", ""))
        if route["dst"].startswith(OWN_ADDRESSES) and device.startswith("podman") and device not in owned:
            run(["ip", "link", "delete", device], check=False)
