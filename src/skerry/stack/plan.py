"""The appliance on one site: every instance with its addresses, names and values; what all renderings are made from.

Contract: pure and deterministic. Nothing in a plan is secret: it has the names of secrets, never their values.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from skerry.base.errors import InvalidInputError
from skerry.stack.definition import NAME
from skerry.stack.graph import (
    DEFAULT_POOL,
    INGRESS_NUMBER,
    Edge,
    Subnet,
    edges_of,
    pool_slots,
    pool_subnets,
    service_subnets,
    start_levels,
    subnet_at,
)
from skerry.stack.template import fill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from skerry.stack.appliance import Appliance
    from skerry.stack.definition import Definition

DNS_NAME = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

ADDRESSES_PREFIX = 16

# User namespaces of worker pools: 65536 ids each, in the range that systemd's list of uids leaves unused
# (https://systemd.io/UIDS-GIDS/: 1879048192 to 2147483647).
POOL_IDS_FIRST = 1_879_048_192
POOL_IDS = 65_536


@dataclass(frozen=True)
class Site:
    """Where the appliance stands: what differs between two hosts.

    Args:
        name: the DNS name under which people reach the edge.
        prefix: what every name in podman begins with.
        addresses: the /16 that networks are taken from.
    """

    name: str = "localhost"
    prefix: str = "skerry"
    addresses: str = DEFAULT_POOL

    def __post_init__(self) -> None:
        if not re.fullmatch(DNS_NAME, self.name):
            raise _bad_site(f"{self.name!r} is not a DNS name", "use letters, digits, . and -")
        if not re.fullmatch(NAME, self.prefix):
            raise _bad_site(f"{self.prefix!r} is no prefix of names", "use small letters, digits and -")
        try:
            addresses = ipaddress.IPv4Network(self.addresses)
        except ValueError as error:
            raise _bad_site(f"{self.addresses!r} are no addresses: {error}", "use a private /16") from error
        if addresses.prefixlen != ADDRESSES_PREFIX or not addresses.is_private:
            raise _bad_site(f"{self.addresses} is not a private /16", f"like {DEFAULT_POOL}")


def _bad_site(message: str, hint: str) -> InvalidInputError:
    return InvalidInputError("stack.bad_site", message, hint)


@dataclass(frozen=True)
class Pool:
    """One enrolled worker pool: its ids, and the number that gives its addresses and user ids."""

    queue_id: str
    organization_id: str
    slot: int

    def __post_init__(self) -> None:
        for value in (self.queue_id, self.organization_id):
            if not re.fullmatch(UUID, value):
                raise InvalidInputError("stack.bad_pool", f"{value!r} is not a UUID", "use the id the API gives")
        if not 0 <= self.slot < pool_slots():
            raise InvalidInputError("stack.too_many_pools", f"worker pool number {self.slot}", "take one away first")

    @property
    def ids_first(self) -> int:
        """The id on the host that is root inside."""
        return POOL_IDS_FIRST + self.slot * POOL_IDS

    @property
    def ids(self) -> int:
        """How many ids it has."""
        return POOL_IDS


@dataclass(frozen=True)
class Network:
    """One podman network; `ports` are those of the server that the client may open."""

    name: str
    subnet: Subnet
    internal: bool
    client: str = ""
    server: str = ""
    ports: tuple[int, ...] = ()
    pool: Pool | None = None


@dataclass(frozen=True)
class Attachment:
    """An instance's place on a network."""

    network: Network
    address: str

    @property
    def mac(self) -> str:
        """Its hardware address, made from its address (locally administered: the second bit of byte one).

        Left to podman, a container that was stopped has another one when it starts again, and neighbours go on sending
        to the old one: 41 s were measured until they found it.
        """
        return ":".join(["02", "53", *(f"{int(part):02x}" for part in self.address.split("."))])


@dataclass(frozen=True)
class MountedVolume:
    """A volume under the name it has in podman."""

    name: str
    target: str
    read_only: bool


@dataclass(frozen=True)
class MountedSecret:
    """A secret under the name it has on the host."""

    name: str
    target: str


@dataclass(frozen=True)
class Instance:
    """One container: a definition with everything filled in.

    `name` is the definition's, or `<definition>@<queue id>`; `container` is the name in podman.
    """

    name: str
    container: str
    definition: Definition
    image: str
    uid: int
    command: tuple[str, ...]
    health: tuple[str, ...]
    environment: Mapping[str, str]
    attachments: tuple[Attachment, ...]
    hosts: Mapping[str, str]
    volumes: tuple[MountedVolume, ...]
    secrets: tuple[MountedSecret, ...]
    pool: Pool | None = None

    @property
    def holder(self) -> str | None:
        """The container that holds its namespaces where podman itself restarts it (render_podman); None for most."""
        return f"{self.container}-net" if self.pool else None

    @property
    def containers(self) -> tuple[str, ...]:
        """Its containers in podman, in the order in which they start."""
        return (self.holder, self.container) if self.holder else (self.container,)

    @property
    def own_attachments(self) -> tuple[Attachment, ...]:
        """Those that are there whatever pools are enrolled: what a change of would replace the container."""
        return tuple(item for item in self.attachments if item.network.pool is self.pool)


@dataclass(frozen=True)
class VolumePlan:
    """A named volume and the uid and gid that own it."""

    name: str
    uid: int


@dataclass(frozen=True)
class Plan:
    """Everything of one site, by name, sorted; `levels` are names of instances, as in graph.start_levels."""

    site: Site
    appliance: Appliance
    instances: Mapping[str, Instance]
    networks: Mapping[str, Network]
    volumes: Mapping[str, VolumePlan]
    levels: tuple[tuple[str, ...], ...]
    pools: tuple[Pool, ...] = field(default=())

    @property
    def ingress(self) -> Network | None:
        """The one network that is not internal, when something is published."""
        return next((item for item in self.networks.values() if not item.internal), None)


def make_plan(appliance: Appliance, *, site: Site, images: Mapping[str, str], pools: Sequence[Pool] = ()) -> Plan:
    """Return the plan of one site.

    Args:
        appliance: what to run.
        site: where.
        images: reference of each image by the name of its folder.
        pools: enrolled worker pools.

    Raises:
        InvalidInputError: `stack.no_reference` when an image has none, `stack.pool_twice` when two pools share a queue
            or a slot, `stack.too_many_edges`, `stack.too_many_pools`.
    """
    _check_pools(pools)
    networks = _networks(appliance.definitions, site=site, pools=pools)
    instances: dict[str, Instance] = {}
    for definition in appliance.definitions.values():
        owners: Sequence[Pool | None] = pools if definition.instances == "pool" else (None,)
        for pool in owners:
            item = _instance(definition, pool, appliance=appliance, site=site, images=images, networks=networks)
            instances[item.name] = item
    levels = tuple(
        tuple(sorted(item.name for item in instances.values() if item.definition.name in level))
        for level in start_levels(appliance.definitions)
    )
    return Plan(
        site=site,
        appliance=appliance,
        instances=dict(sorted(instances.items())),
        networks={network.name: network for network in sorted(networks, key=lambda network: network.name)},
        volumes=_volumes(appliance, site),
        levels=tuple(level for level in levels if level),
        pools=tuple(pools),
    )


def instance_name(definition: str, pool: Pool | None) -> str:
    """Return the name people use: `api`, `agent-worker@<queue id>`."""
    return f"{definition}@{pool.queue_id}" if pool else definition


def podman_name(name: str, site: Site) -> str:
    """Return the name in podman: no @ in it, and ours by its prefix."""
    return f"{site.prefix}-{name.replace('@', '-')}"


def _check_pools(pools: Sequence[Pool]) -> None:
    for values in ([pool.queue_id for pool in pools], [str(pool.slot) for pool in pools]):
        for value in values:
            if values.count(value) > 1:
                raise InvalidInputError("stack.pool_twice", f"two worker pools have {value}", "enrol each queue once")


def _networks(definitions: Mapping[str, Definition], *, site: Site, pools: Sequence[Pool]) -> list[Network]:
    edges = edges_of(definitions)
    single = [edge for edge in edges if definitions[edge.client].instances == "one"]
    pooled = [edge for edge in edges if definitions[edge.client].instances == "pool"]
    found = [
        _network(edge, subnet, definitions=definitions, site=site)
        for edge, subnet in service_subnets(single, pool=site.addresses).items()
    ]
    for pool in pools:
        for edge, subnet in pool_subnets(pooled, slot=pool.slot, pool=site.addresses).items():
            found.append(_network(edge, subnet, definitions=definitions, site=site, pool=pool))
    for definition in definitions.values():
        if definition.publish:
            subnet = subnet_at(INGRESS_NUMBER, pool=site.addresses)
            ports = tuple(sorted({definition.ports[item.to] for item in definition.publish}))
            found.append(Network(f"{site.prefix}-ingress", subnet, internal=False, server=definition.name, ports=ports))
    return found


def _network(
    edge: Edge, subnet: Subnet, *, definitions: Mapping[str, Definition], site: Site, pool: Pool | None = None
) -> Network:
    client = instance_name(edge.client, pool)
    name = f"{podman_name(client, site)}--{edge.server}"
    ports = tuple(sorted(definitions[edge.server].ports.values()))
    return Network(name, subnet, internal=True, client=client, server=edge.server, ports=ports, pool=pool)


def _instance(  # noqa: PLR0913  the six things an instance is made from
    definition: Definition,
    pool: Pool | None,
    *,
    appliance: Appliance,
    site: Site,
    images: Mapping[str, str],
    networks: Sequence[Network],
) -> Instance:
    if definition.image not in images:
        raise InvalidInputError(
            "stack.no_reference", f"{definition.file}: image: nothing says what {definition.image!r} is", "build images"
        )
    name = instance_name(definition.name, pool)
    values = {"site_name": site.name}
    if pool:
        values |= {"queue_id": pool.queue_id, "organization_id": pool.organization_id}

    def filled(words: Sequence[str]) -> tuple[str, ...]:
        return tuple(fill(word, values, where=definition.file) for word in words)

    attachments = tuple(
        Attachment(network, network.subnet.client if network.client == name else network.subnet.server)
        for network in sorted(networks, key=lambda network: network.name)
        if name in (network.client, network.server)
    )
    return Instance(
        name=name,
        container=podman_name(name, site),
        definition=definition,
        image=images[definition.image],
        uid=appliance.release.uids[definition.uid],
        command=filled(definition.command),
        health=filled(definition.health.command) if definition.health else (),
        environment={
            key: fill(value, values, where=definition.file) for key, value in sorted(definition.environment.items())
        },
        attachments=attachments,
        hosts={item.network.server: item.network.subnet.server for item in attachments if item.network.client == name},
        volumes=tuple(
            MountedVolume(f"{site.prefix}-{volume.name}", volume.target, volume.read_only)
            for volume in definition.volumes
        ),
        secrets=tuple(
            MountedSecret(f"{site.prefix}-{fill(mount.name, values, where=definition.file)}", mount.target)
            for mount in definition.secrets
        ),
        pool=pool,
    )


def _volumes(appliance: Appliance, site: Site) -> dict[str, VolumePlan]:
    found = {
        f"{site.prefix}-{volume.name}": appliance.release.uids[definition.uid]
        for definition in appliance.definitions.values()
        for volume in definition.volumes
        if not volume.read_only
    }
    return {name: VolumePlan(name, uid) for name, uid in sorted(found.items())}
