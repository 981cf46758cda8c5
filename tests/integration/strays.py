"""What a killed test session leaves of its stacks, taken away before the next begins.

Only what carries the label of a state root under the tests' own folders is touched, and bridges in the tests' own
address pool that no network of podman owns.
"""

from __future__ import annotations

import json
from typing import Any

from skerry.base.process import run
from skerry.host.podman import LABEL_STATE

SMALL_ROOTS = ("/tmp/pytest-of-",)  # noqa: S108  pytest's own folder, read as a name
ALL_ROOTS = (*SMALL_ROOTS, "/var/lib/skerry/test")
OWN_ADDRESSES = "10.214."


def _listed(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(["podman", *words, "--format=json"]).stdout or "[]") or []
    return found


def remove_strays(roots: tuple[str, ...] = ALL_ROOTS) -> None:
    """Remove what earlier test sessions left of stacks in `roots`; the caller holds the lock that says none is used."""

    def is_stray(labels: dict[str, str] | None) -> bool:
        return (labels or {}).get(LABEL_STATE, "").startswith(roots)

    for item in _listed("ps", "--all"):
        if is_stray(item.get("Labels")):
            # With what hangs on it: a pool's worker on its holder.
            run(["podman", "rm", "--force", "--depend", "--time=0", item["Names"][0]], check=False)
    networks = _listed("network", "ls")
    for network in networks:
        if is_stray(network.get("labels")):
            run(["podman", "network", "rm", "--force", network["name"]], check=False)
    secrets = run(["podman", "secret", "ls", "--quiet"]).stdout.split()
    for secret in json.loads(run(["podman", "secret", "inspect", *secrets]).stdout) if secrets else []:
        if is_stray(secret["Spec"].get("Labels")):
            run(["podman", "secret", "rm", secret["ID"]], check=False)
    for volume in _listed("volume", "ls"):
        if is_stray(volume.get("Labels")):
            run(["podman", "volume", "rm", "--force", volume["Name"]], check=False)
    _remove_bridges({network.get("network_interface") for network in networks})


def _remove_bridges(owned: set[Any]) -> None:
    for route in json.loads(run(["ip", "-json", "-4", "route"]).stdout or "[]"):
        device = str(route.get("dev", ""))
        if route["dst"].startswith(OWN_ADDRESSES) and device.startswith("podman") and device not in owned:
            run(["ip", "link", "delete", device], check=False)
