"""Checks that read the host: ports, routes, rights, programs; those that ask podman are in the integration tests."""

from __future__ import annotations

import socket
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest
from tests.unit.host.programs import podman_saying, put_program

from skerry.base.paths import find_checkout
from skerry.host import preflight
from skerry.host.local import load_plan
from skerry.host.machine import Machine
from skerry.host.memory import memory_by_container
from skerry.host.ports import listener_on
from skerry.host.state import State

if TYPE_CHECKING:
    from pathlib import Path


def test_a_listener_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = listener_on(port)
        assert found is not None
        assert "(process " in found
        assert not preflight._is_free("127.0.0.1", port)  # noqa: SLF001  the smallest part of a check
    assert listener_on(port) is None
    assert preflight._is_free("127.0.0.1", port)  # noqa: SLF001  the same


def test_routes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "route"
    path.write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "tun0\t0000D50A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert preflight.routes(path) == [("eth0", IPv4Network("0.0.0.0/0")), ("tun0", IPv4Network("10.213.0.0/16"))]


def test_rights_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert [item.code for item in preflight.check_rights()] == ["preflight.rights"]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert preflight.check_rights() == []


def test_missing_programs_are_named_by_their_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(preflight, "NETAVARK", ())
    (tmp_path / "sys").mkdir()
    machine = Machine(sys=tmp_path / "sys")
    assert preflight.missing_packages(machine) == [
        *("conmon", "iproute2", "iptables", "netavark", "nftables", "podman", "runc")
    ]
    finding = preflight.check_programs(machine)[0]
    assert finding.code == "preflight.missing_packages"
    assert "--install" in finding.hint


@pytest.mark.parametrize(("version", "asked"), [("1.4.0", True), ("1.14.0", False)])
def test_iptables_is_asked_for_only_where_netavark_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, *, asked: bool
) -> None:
    netavark = tmp_path / "netavark"
    netavark.write_text(f"#!/bin/sh\necho netavark {version}\n")
    netavark.chmod(0o755)
    monkeypatch.setattr(preflight, "NETAVARK", (str(netavark),))
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert ("iptables" in preflight.missing_packages(Machine())) == asked


def test_the_first_finding_gives_the_code() -> None:
    findings = [preflight.Finding("preflight.disk", "little room", "make room"), preflight.Finding("a.b", "x", "y")]
    error = preflight.PreflightError(findings)
    assert (error.code, error.hint, len(error.findings)) == ("preflight.disk", "make room", 2)


def test_memory_counts_the_processes_of_a_namespace(tmp_path: Path) -> None:
    for pid, namespace, kib in ((10, "a", 100), (11, "a", 28), (20, "b", 5), (30, "host", 9000)):
        folder = tmp_path / str(pid)
        (folder / "ns").mkdir(parents=True)
        (folder / "ns/pid").symlink_to(f"pid:[{namespace}]")
        (folder / "smaps_rollup").write_text(f"Rss:  999 kB\nPss:  {kib} kB\n")
    (tmp_path / "40").mkdir()
    found = memory_by_container({"one": 10, "two": 20, "gone": 99, "stopped": 0}, proc=tmp_path)
    assert found == {"one": 128 * 1024, "two": 5 * 1024}


@pytest.mark.parametrize(
    ("version", "backend", "codes"),
    [
        ("4.3.0", "netavark", []),
        ("10.0.1-dev", "netavark", []),
        ("4.2.9", "netavark", ["preflight.podman_old"]),
        ("3.4.4", "cni", ["preflight.podman_old", "preflight.network_backend"]),
        ("5.4.2", "", ["preflight.network_backend"]),
    ],
)
def test_a_podman_that_will_not_do(tmp_path: Path, version: str, backend: str, codes: list[str]) -> None:
    findings = preflight.check_podman(podman_saying(tmp_path, {"version": version, "info": backend}))
    assert [item.code for item in findings] == codes
    assert all(item.hint for item in findings)


def test_a_kernel_that_refuses_the_packet_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_program(tmp_path, "nft", "echo 'Error: Could not process rule: No such file or directory' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (finding,) = preflight.check_rules(load_plan(find_checkout(), State(tmp_path)))
    assert finding.code == "preflight.no_filter"
    assert "Could not process rule" in finding.message
    assert "nf_tables" in finding.hint
