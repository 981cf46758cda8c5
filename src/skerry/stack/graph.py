"""The graph of services: who starts after whom, who may reach whom, and the networks that follow.

Contract: pure. `after` gives the start order and has no cycle; `reaches` gives the edges and may have one. Each edge is
a network of its own with two members, a fixed subnet and fixed addresses:

    pool of addresses (a /16)
      /28 number 0                  ingress: the edge's way in
      /28 numbers 1 ... 1023        edges between services, in the order of their names
      /28 numbers 1024 ...          worker pools: eight for each slot
    in each: .1 the host's bridge, .2 the client, .3 the server

The names of edges are sorted and numbered, so the same definitions give the same addresses on every host, and a pool
that comes or goes moves nobody else.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skerry.base.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from skerry.stack.definition import Definition

DEFAULT_POOL = "10.213.0.0/16"
SUBNET_PREFIX = 28
POOL_FIRST = 1024
POOL_EDGES_MAX = 8
INGRESS_NUMBER = 0


@dataclass(frozen=True, order=True)
class Edge:
    """`client` may open connections to `server`; names of definitions."""

    client: str
    server: str

    @property
    def name(self) -> str:
        # Two hyphens cannot stand in a definition's name: a--b is read in one way only.
        return f"{self.client}--{self.server}"


@dataclass(frozen=True)
class Subnet:
    """One /28 and the addresses in it, in dotted form."""

    cidr: str
    gateway: str
    client: str
    server: str


def start_levels(definitions: Mapping[str, Definition]) -> tuple[tuple[str, ...], ...]:
    """Return names in groups: what is in a group needs only what is in the groups before it.

    Raises:
        InvalidInputError: `stack.cycle`, naming the way round and the key that closes it.
    """
    waiting = {name: set(item.after) & set(definitions) for name, item in definitions.items()}
    levels: list[tuple[str, ...]] = []
    while waiting:
        ready = tuple(sorted(name for name, needs in waiting.items() if not needs))
        if not ready:
            raise _cycle(definitions, waiting)
        levels.append(ready)
        waiting = {name: needs - set(ready) for name, needs in waiting.items() if name not in ready}
    return tuple(levels)


def _cycle(definitions: Mapping[str, Definition], waiting: Mapping[str, set[str]]) -> InvalidInputError:
    # Every name left waits for another that is left, so walking on must come back.
    way = [min(waiting)]
    while (following := min(waiting[way[-1]])) not in way:
        way.append(following)
    way = [*way[way.index(following) :], following]
    return InvalidInputError(
        "stack.cycle",
        f"{definitions[way[-2]].file}: after closes a cycle: {' -> '.join(way)} (each starts after the next)",
        "take one of them out of after; reaches may have a cycle",
    )


def needs_of(name: str, definitions: Mapping[str, Definition]) -> frozenset[str]:
    """Return every name that must be ready before `name`, directly or through others."""
    found: set[str] = set()
    waiting = list(definitions[name].after)
    while waiting:
        item = waiting.pop()
        if item not in found:
            found.add(item)
            waiting.extend(definitions[item].after)
    return frozenset(found)


def edges_of(definitions: Mapping[str, Definition]) -> tuple[Edge, ...]:
    """Return every declared edge once, sorted by name."""
    found = {Edge(item.name, server) for item in definitions.values() for server in item.reaches}
    return tuple(sorted(found, key=lambda edge: edge.name))


def service_subnets(edges: Sequence[Edge], *, pool: str = DEFAULT_POOL) -> dict[Edge, Subnet]:
    """Return the subnet of each edge between single services.

    Raises:
        InvalidInputError: `stack.too_many_edges`.
    """
    if len(edges) >= POOL_FIRST:
        raise InvalidInputError(
            "stack.too_many_edges", f"{len(edges)} edges, room for {POOL_FIRST - 1}", "join services"
        )
    ordered = sorted(edges, key=lambda edge: edge.name)
    return {edge: subnet_at(number, pool=pool) for number, edge in enumerate(ordered, start=INGRESS_NUMBER + 1)}


def pool_subnets(edges: Sequence[Edge], *, slot: int, pool: str = DEFAULT_POOL) -> dict[Edge, Subnet]:
    """Return the subnets of the edges of one worker pool's instance.

    Args:
        edges: the edges of the definition whose instance it is.
        slot: the number the pool was given when it was enrolled, from 0.
        pool: the addresses to take them from.

    Raises:
        InvalidInputError: `stack.too_many_edges`, `stack.too_many_pools`.
    """
    if len(edges) > POOL_EDGES_MAX:
        raise InvalidInputError(
            "stack.too_many_edges",
            f"a worker pool with {len(edges)} edges, room for {POOL_EDGES_MAX}",
            "let it reach fewer services",
        )
    if not 0 <= slot < pool_slots(pool):
        raise InvalidInputError(
            "stack.too_many_pools", f"worker pool number {slot} of {pool_slots(pool)}", "take one away first"
        )
    ordered = sorted(edges, key=lambda edge: edge.name)
    first = POOL_FIRST + slot * POOL_EDGES_MAX
    return {edge: subnet_at(first + index, pool=pool) for index, edge in enumerate(ordered)}


def pool_slots(pool: str = DEFAULT_POOL) -> int:
    """Return how many worker pools there is room for."""
    return (_subnets_in(pool) - POOL_FIRST) // POOL_EDGES_MAX


def subnet_at(number: int, *, pool: str = DEFAULT_POOL) -> Subnet:
    """Return the /28 with this number in the pool and its addresses."""
    network = ipaddress.IPv4Network(pool)
    base = int(network.network_address) + number * (1 << (32 - SUBNET_PREFIX))
    subnet = ipaddress.IPv4Network((base, SUBNET_PREFIX))
    return Subnet(str(subnet), str(subnet[1]), str(subnet[2]), str(subnet[3]))


def _subnets_in(pool: str) -> int:
    return 1 << (SUBNET_PREFIX - ipaddress.IPv4Network(pool).prefixlen)
