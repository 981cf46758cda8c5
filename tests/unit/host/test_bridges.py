"""Which bridge is the rest of a network of ours, by its looks."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv4Network

import pytest

from skerry.host.bridges import Bridge, is_stray

POOL = IPv4Network("10.213.0.0/16")


@pytest.mark.parametrize(
    ("name", "addresses", "stray"),
    [
        ("podman7", ["10.213.0.17/28"], True),
        ("podman2", ["10.213.0.17/28"], False),  # a network of podman owns it
        ("br0", ["10.213.0.17/28"], False),  # no name that podman gives
        ("podman-br", ["10.213.0.17/28"], False),
        ("podman7", ["10.88.0.1/16"], False),  # somebody else's addresses
        ("podman7", ["10.213.0.1/16"], False),  # no network as the graph makes them
        ("podman7", ["10.0.0.1/8"], False),
        ("podman7", ["10.213.0.18/28"], False),  # not the host's end
        ("podman7", ["10.213.0.17/28", "192.0.2.1/24"], False),
        ("podman7", [], False),
    ],
)
def test_only_the_rest_of_a_network_of_ours_is_stray(name: str, addresses: list[str], *, stray: bool) -> None:
    bridge = Bridge(name, tuple(map(IPv4Interface, addresses)))
    assert is_stray(bridge, {"podman2", "podman0"}, POOL) == stray
