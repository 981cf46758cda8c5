"""Start order, addresses, and who is on which network."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from tests.unit.stack.example import OTHER_POOL, POOL

from skerry.stack.graph import Edge, edges_of, needs_of, pool_slots, pool_subnets, service_subnets, start_levels
from skerry.stack.plan import Site

if TYPE_CHECKING:
    from tests.unit.stack.example import Example


def test_levels_hold_what_can_start_together(example: Example) -> None:
    assert start_levels(example.definitions()) == (("store",), ("prepare",), ("front",), ("worker",))
    assert needs_of("worker", example.definitions()) == {"store", "prepare", "front"}


def test_edges_are_sorted_and_unique(example: Example) -> None:
    example.services["front"]["reaches"] = ["store", "store"]
    names = [edge.name for edge in edges_of(example.definitions())]
    assert names == ["front--store", "prepare--store", "worker--front", "worker--store"]


def test_addresses_are_the_same_whatever_the_order() -> None:
    edges = [Edge("b", "a"), Edge("a", "b"), Edge("c", "a")]
    first, second = service_subnets(edges), service_subnets(edges[::-1])
    assert first == second
    assert first[Edge("a", "b")].cidr == "10.213.0.16/28", "the first block is the way in"
    assert (first[Edge("a", "b")].gateway, first[Edge("a", "b")].client, first[Edge("a", "b")].server) == (
        "10.213.0.17",
        "10.213.0.18",
        "10.213.0.19",
    )


def test_no_two_networks_overlap_with_every_slot_taken() -> None:
    services = service_subnets([Edge("a", f"b{number}") for number in range(1023)])
    pooled = [Edge("worker", f"b{number}") for number in range(8)]
    found = [subnet for slot in range(pool_slots()) for subnet in pool_subnets(pooled, slot=slot).values()]
    networks = [ipaddress.IPv4Network(item.cidr) for item in (*services.values(), *found)]
    assert len(set(networks)) == len(networks)
    assert all(network.subnet_of(ipaddress.IPv4Network("10.213.0.0/16")) for network in networks)


def test_a_pool_moves_nobody_else(example: Example) -> None:
    without, with_two = example.plan(), example.plan(POOL, OTHER_POOL)
    for name, network in without.networks.items():
        assert with_two.networks[name] == network
    one_later = example.plan(OTHER_POOL)
    for name in set(one_later.networks) - set(without.networks):
        assert with_two.networks[name] == one_later.networks[name]


def test_each_network_has_its_two_members_and_the_servers_ports(example: Example) -> None:
    plan = example.plan(POOL)
    members: dict[str, set[str]] = {}
    for item in plan.instances.values():
        for attachment in item.attachments:
            members.setdefault(attachment.network.name, set()).add(item.name)
    for network in plan.networks.values():
        assert members[network.name] == {name for name in (network.client, network.server) if name}
    assert plan.networks["skerry-front--store"].ports == (7000,)
    assert [network.name for network in plan.networks.values() if not network.internal] == ["skerry-ingress"]


def test_an_instance_of_a_pool_has_names_ids_and_values_of_its_own(example: Example) -> None:
    plan = example.plan(POOL, OTHER_POOL)
    first, second = (plan.instances[f"worker@{pool.queue_id}"] for pool in (POOL, OTHER_POOL))
    assert first.container == f"skerry-worker-{POOL.queue_id}"
    assert first.environment == {"QUEUE": POOL.queue_id, "PRICE": "$1"}
    assert first.secrets[0].name == f"skerry-worker-{POOL.queue_id}"
    assert set(first.hosts) == {"front", "store"}
    assert not set(first.hosts.values()) & set(second.hosts.values())
    assert (POOL.ids_first, OTHER_POOL.ids_first) == (1879048192, 1879048192 + 65536)


def test_only_clients_know_names(example: Example) -> None:
    plan = example.plan(POOL)
    assert plan.instances["store"].hosts == {}
    assert set(plan.instances["front"].hosts) == {"store"}


def test_a_container_is_not_made_anew_for_a_pool(example: Example) -> None:
    front = example.plan(POOL).instances["front"]
    own = {item.network.name for item in front.own_attachments}
    assert own == {"skerry-front--store", "skerry-ingress"}
    assert len(front.attachments) == len(own) + 1


def test_a_second_site_shares_no_name_and_no_address(example: Example) -> None:
    one = example.plan(POOL)
    two = example.plan(POOL, site=Site("other.example", "other", "10.214.0.0/16"))
    assert not set(one.networks) & set(two.networks)
    assert not {item.container for item in one.instances.values()} & {item.container for item in two.instances.values()}
    assert not set(one.volumes) & set(two.volumes)
    assert two.instances["store"].command == ("store", "--name=other.example")
