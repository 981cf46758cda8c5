"""The graph's networks in podman: made, remade when they changed, joined by running servers when a pool comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.stack.render_podman import create_network

if TYPE_CHECKING:
    from collections.abc import Collection

    from skerry.host.podman import NetworkRecord, Podman
    from skerry.stack.plan import Network, Plan


def changed_networks(plan: Plan, podman: Podman) -> set[str]:
    """Return the names of our networks that the plan does not have as they are."""
    return {name for name, record in podman.networks().items() if not _same(plan.networks.get(name), record)}


def remove_networks(names: Collection[str], podman: Podman) -> None:
    """Remove networks of ours, those of `names` that are there, and take whatever containers of ours off them.

    Containers whose own networks changed are gone already (their digest changed); those left only serve a pool that
    went, and leave its network.
    """
    stale = sorted(podman.networks().keys() & set(names))
    if not stale:
        return
    for container in podman.containers().values():
        for name in sorted(container.networks & set(stale)):
            podman.run(["network", "disconnect", "--force", name, container.name], check=False)
    podman.run(["network", "rm", *stale])


def ensure_networks(plan: Plan, podman: Podman) -> None:
    """Make the networks that are missing."""
    there = podman.networks()
    for network in plan.networks.values():
        if network.name not in there:
            podman.run(create_network(network, labels=podman.labels))


def join_pools(plan: Plan, podman: Podman) -> None:
    """Let containers that run already join the networks of pools they serve."""
    there = podman.containers()
    for instance in plan.instances.values():
        container = there.get(instance.container)
        if container is None or instance.pool is not None:
            continue
        for item in instance.attachments:
            if item.network.pool is not None and item.network.name not in container.networks:
                words = [f"--ip={item.address}", f"--mac-address={item.mac}", item.network.name, container.name]
                podman.run(["network", "connect", *words])


def _same(network: Network | None, record: NetworkRecord) -> bool:
    return network is not None and record.subnets == (network.subnet.cidr,) and record.internal == network.internal
