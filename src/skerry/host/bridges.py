"""Bridges that outlived their network, told from everything else that uses addresses of ours.

podman removes the bridge of a network with the last container on it, unless something is left on the bridge: the
interface of a container whose clean-up was cut off. Then the bridge keeps its address, and no network can have it.

Contract: a bridge is stray when it has a name that podman gives, no network of podman owns it, its one address is the
host's end of a network as our graph makes them, and no process stands behind it. Anything else is somebody's.
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skerry.base import process
from skerry.stack.graph import SUBNET_PREFIX

if TYPE_CHECKING:
    from collections.abc import Collection

    from skerry.base.progress import Progress
    from skerry.host.podman import Podman

DEADLINE_S = 30.0
PODMANS_NAME = re.compile(r"podman\d+")


@dataclass(frozen=True)
class Bridge:
    """A bridge of the host and the IPv4 addresses it has."""

    name: str
    addresses: tuple[ipaddress.IPv4Interface, ...]


def bridges() -> list[Bridge]:
    """Return every bridge of the host."""
    return [
        Bridge(
            item["ifname"],
            tuple(
                ipaddress.IPv4Interface(f"{part['local']}/{part['prefixlen']}") for part in item.get("addr_info") or ()
            ),
        )
        for item in _ip("-4", "address", "show", "type", "bridge")
    ]


def is_stray(bridge: Bridge, owned: Collection[str], pool: ipaddress.IPv4Network) -> bool:
    """Say whether a bridge has the looks of the rest of a network of ours.

    Args:
        bridge: of this host.
        owned: the interfaces of all of podman's networks.
        pool: the addresses of the site.
    """
    if bridge.name in owned or not PODMANS_NAME.fullmatch(bridge.name) or len(bridge.addresses) != 1:
        return False
    network, address = bridge.addresses[0].network, bridge.addresses[0].ip
    return network.prefixlen == SUBNET_PREFIX and network.subnet_of(pool) and address == network[1]


def stray_bridges(addresses: str, podman: Podman) -> list[Bridge]:
    """Return the stray bridges in a site's addresses."""
    # In this order: a network that is made meanwhile is known before its bridge is.
    there = bridges()
    owned = {record.interface for record in podman.all_networks().values()}
    pool = ipaddress.IPv4Network(addresses)
    return [bridge for bridge in there if is_stray(bridge, owned, pool) and not is_used(bridge)]


def is_used(bridge: Bridge) -> bool:
    """Say whether a process stands behind one of a bridge's ports, or may: what is there cannot always be seen."""
    names = {item["nsid"]: item.get("name") for item in _ip("netns", "list-id")}
    for port in _ip("link", "show", "master", bridge.name):
        name = names.get(port.get("link_netnsid"))
        if name is None or process.run(["ip", "netns", "pids", name], deadline_s=DEADLINE_S).stdout.strip():
            return True
    return False


def remove_strays(addresses: str, podman: Podman, *, progress: Progress) -> None:
    """Remove stray bridges with the interfaces that are left on them, saying so."""
    for bridge in stray_bridges(addresses, podman):
        with progress.step(f"remove the bridge {bridge.name} ({bridge.addresses[0]}), which outlived its network"):
            for port in _ip("link", "show", "master", bridge.name):
                process.run(["ip", "link", "delete", port["ifname"]], check=False, deadline_s=DEADLINE_S)
            process.run(["ip", "link", "delete", bridge.name], deadline_s=DEADLINE_S)


def _ip(*words: str) -> list[dict[str, Any]]:
    found = json.loads(process.run(["ip", "-json", *words], deadline_s=DEADLINE_S).stdout or "[]")
    # What a filter leaves out is an empty object in some versions.
    return [item for item in found if item]
