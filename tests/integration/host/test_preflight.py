"""Each failing precondition by its code, asked of the real podman and kernel; nothing is touched by any of them."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.integration.host.small import PORT, Small, make_small

from skerry.host import preflight
from skerry.host.machine import Machine

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


def codes(small: Small, machine: Machine | None = None) -> list[str]:
    findings = preflight.check_host(small.plan, small.podman, small.state, machine=machine or Machine())
    assert all(item.message and item.hint for item in findings)
    # The tests of the whole stack may have theirs up beside this one, under other names and addresses.
    ours = str(small.state.root.parent.parent)
    return [item.code for item in findings if item.code != "preflight.other_stack" or ours in item.message]


def proc_like(folder: Path, **texts: str) -> Machine:
    """Return this machine with some files of /proc replaced."""
    for name in ("cpuinfo", "meminfo", "net/route"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts.get(name.replace("/", "_"), (Machine().proc / name).read_text()))
    return replace(Machine(), proc=folder)


def test_nothing_is_in_the_way_of_the_first_and_of_the_second_up(small: Small) -> None:
    assert codes(small) == []
    small.driver().up()
    assert codes(small) == []


def test_a_port_that_is_taken_names_who_has_it(small: Small) -> None:
    with socket.create_server(("127.0.0.1", PORT)):
        findings = preflight.check_ports(small.plan, small.podman, Machine())
    assert [item.code for item in findings] == ["preflight.port_taken"]
    assert "(process " in findings[0].message


def test_another_stack_is_named(small: Small) -> None:
    small.driver().up()
    other = make_small(small.state.root.parent.parent / "other", small.image)
    found = codes(other)
    assert found == ["preflight.port_taken", "preflight.other_stack", "preflight.addresses_taken"]
    ports = preflight.check_ports(other.plan, other.podman, Machine())
    assert "the container skerry-small-front" in ports[0].message
    told = [item.message for item in preflight.check_others(other.plan, other.podman)]
    assert [message for message in told if str(small.state.root) in message]


def test_containers_of_nobody_with_our_names_are_told(small: Small) -> None:
    small.podman.run(["create", "--name=skerry-small-stranger", small.image, "true"])
    try:
        findings = [
            item for item in preflight.check_others(small.plan, small.podman) if "skerry-small-stranger" in item.message
        ]
    finally:
        small.podman.run(["rm", "skerry-small-stranger"])
    assert [(item.code, item.hint) for item in findings] == [("preflight.other_stack", "rename or remove them")]


def test_little_disk_memory_and_an_old_processor_are_told_at_once(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "STATE_FREE_MIB", 1 << 40)
    small.edit("appliance/release.toml", 'cpu = "x86-64"', 'cpu = "x86-64-v3"')
    machine = proc_like(tmp_path / "proc", cpuinfo="flags : fpu\n", meminfo="MemAvailable: 1000000 kB\n")
    assert codes(small, machine) == ["preflight.processor", "preflight.disk", "preflight.memory"]


def test_a_route_into_our_addresses_is_told(small: Small, tmp_path: Path) -> None:
    head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n"
    machine = proc_like(tmp_path / "proc", net_route=f"{head}tun0\t0000D70A\t00000000\t0001\t0\t0\t0\t0000FFFF\n")
    assert codes(small, machine) == ["preflight.addresses_taken"]


def test_an_image_that_is_not_built_is_told(small: Small) -> None:
    missing = replace(small, image="localhost/skerry/none:1")
    assert codes(missing) == ["preflight.missing_image"]
