"""What a killed test session leaves of its stacks, taken away before the next begins.

Only what carries the label of a state root under the tests' own folders is touched, and bridges in the tests' own
address pool that no network of podman owns.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skerry.base.process import run
from skerry.host.podman import LABEL_STATE
from skerry.images.steps import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = Path("/run/lock/skerry-test.lock")
"""Held by the one session of this host that has stacks, small or whole: one would not come up beside another."""
ROOTS = ("/tmp/pytest-of-", "/var/lib/skerry/test")  # noqa: S108  pytest's own folder, read as a name
OWN_ADDRESSES = "10.214."


@contextmanager
def alone() -> Iterator[None]:
    """Be the one session that has stacks, when others have ended; what they left is gone."""
    with exclusive(LOCK, waiting=lambda: sys.stderr.write(f"waiting for the session that holds {LOCK}\n")):
        remove_strays()
        yield


def _listed(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(["podman", *words, "--format=json"]).stdout or "[]") or []
    return found


def remove_strays() -> None:
    """Remove what earlier test sessions left of their stacks; the caller holds LOCK."""

    def is_stray(labels: dict[str, str] | None) -> bool:
        return (labels or {}).get(LABEL_STATE, "").startswith(ROOTS)

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
