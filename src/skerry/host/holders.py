"""Holders: the containers that hold the namespaces of worker pools' instances (skerry.stack.render_podman says why).

Contract: a holder that has ended cannot come back as it was. What runs in its namespaces goes on until it is made anew;
the next `up` replaces both containers and the pool's networks, on which the old address may still answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skerry.host.podman import Container
    from skerry.stack.plan import Instance, Plan

HOLDING = frozenset({"running", "paused"})


def is_lost(instance: Instance, there: Mapping[str, Container]) -> bool:
    """Say whether an instance has lost its holder; one that was never made has not."""
    if instance.holder is None or not there.keys() & set(instance.containers):
        return False
    holder = there.get(instance.holder)
    return holder is None or holder.status not in HOLDING


def lost_networks(plan: Plan, there: Mapping[str, Container]) -> set[str]:
    """Return the names of the networks of every lost holder."""
    lost = [item for item in plan.instances.values() if is_lost(item, there)]
    return {attachment.network.name for item in lost for attachment in item.attachments}
