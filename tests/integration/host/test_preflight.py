"""Each failing precondition by its code, asked of the real podman and kernel; nothing is touched by any of them."""

from __future__ import annotations

import socket
import subprocess  # noqa: TID251  something that runs beside the test
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.host.small import PORT, Small, make_small

from skerry.base.paths import find_checkout
from skerry.base.process import run
from skerry.host import preflight
from skerry.host.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    monkeypatch.setattr(preflight, "IMAGES_FREE_MIB", 1)
    small.edit("appliance/release.toml", 'cpu = "x86-64"', 'cpu = "x86-64-v3"')
    machine = proc_like(tmp_path / "proc", cpuinfo="flags : fpu\n", meminfo="MemAvailable: 1000000 kB\n")
    assert codes(small, machine) == ["preflight.processor", "preflight.disk", "preflight.memory"]


def test_a_route_into_our_addresses_is_told(small: Small, tmp_path: Path) -> None:
    head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n"
    machine = proc_like(tmp_path / "proc", net_route=f"{head}tun0\t0000D70A\t00000000\t0001\t0\t0\t0\t0000FFFF\n")
    assert codes(small, machine) == ["preflight.addresses_taken"]


@contextmanager
def bridge_of(name: str, address: str) -> Iterator[None]:
    """Give the host a bridge with a port, whose other end lies in a network namespace where nothing runs."""
    space, port = f"skerry-{name}", f"v-{name}"
    run(["ip", "netns", "add", space])
    try:
        run(["ip", "link", "add", name, "type", "bridge"])
        run(["ip", "address", "add", address, "dev", name])
        run(["ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space])
        run(["ip", "link", "set", port, "master", name, "up"])
        run(["ip", "link", "set", name, "up"])
        yield
    finally:
        for link in (name, port):
            run(["ip", "link", "delete", link], check=False)
        run(["ip", "netns", "delete", space])


def links() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


@pytest.mark.parametrize("command", ["up", "down"])
def test_a_bridge_that_outlived_its_network_is_taken_away(
    small: Small, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with bridge_of("podman917", "10.215.0.17/28"):
        assert codes(small) == []
        if command == "up":
            small.driver().up()
        small.down()
        assert not links() & {"podman917", "v-podman917"}
        assert "podman917 (10.215.0.17/28), which outlived its network" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "address"), [("skerrybr", "10.215.0.17/28"), ("podman917", "10.215.0.1/17")])
def test_somebody_elses_bridge_is_told_and_left_alone(small: Small, name: str, address: str) -> None:
    with bridge_of(name, address):
        assert codes(small) == ["preflight.addresses_taken"]
        small.down()
        assert name in links()


def test_a_bridge_behind_which_something_runs_is_left_alone(small: Small) -> None:
    with bridge_of("podman917", "10.215.0.17/28"):
        words = ["ip", "netns", "exec", "skerry-podman917", "sleep", "60"]
        child = subprocess.Popen(words)
        try:
            end = time.monotonic() + 5
            while not run(["ip", "netns", "pids", "skerry-podman917"]).stdout.strip():
                assert time.monotonic() < end
                time.sleep(0.05)
            assert codes(small) == ["preflight.addresses_taken"]
            small.down()
            assert "podman917" in links()
        finally:
            child.kill()
            child.wait()


def test_an_image_that_is_not_built_is_told(small: Small) -> None:
    missing = replace(small, image="localhost/skerry/none:1")
    assert codes(missing) == ["preflight.missing_image"]


def test_what_is_to_be_built_needs_room_of_its_own(small: Small, tmp_path: Path) -> None:
    machine = proc_like(tmp_path / "proc", meminfo="MemAvailable: 4000000 kB\n")

    def found(share: float, *, compiles: bool) -> list[str]:
        build = preflight.Build(tmp_path / "cache" / "later", share, compiles)
        findings = preflight.check_host(small.plan, small.podman, small.state, machine=machine, build=build)
        return [item.code for item in findings if item.code not in ("preflight.other_stack", "preflight.port_taken")]

    assert found(0, compiles=False) == []
    assert found(1, compiles=True) == ["preflight.memory"]
    # One file system for all three: their needs add up, and each folder is named.
    build = preflight.Build(tmp_path / "cache" / "later", 1e6, compiles=True)
    [finding] = preflight.check_disk(small.podman, small.state, build=build)
    assert str(small.state.root) in finding.message
    assert str(tmp_path) in finding.message
    least = (preflight.BUILD_CACHE_MIB + preflight.BUILD_STORAGE_MIB) * 10**6
    assert f"{least + preflight.STATE_FREE_MIB + preflight.IMAGES_FREE_MIB} MiB are needed" in finding.message


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder])
    try:
        yield folder
    finally:
        run(["umount", "--recursive", folder])


def test_a_host_without_room_is_told_before_anything_is_built(tiny_disk: Path) -> None:
    storage = tiny_disk / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{tiny_disk}/graph"\nrunroot = "{tiny_disk}/run"\n')
    variables = {"SKERRY_CACHE": f"{tiny_disk}/cache", "SKERRY_STATE": f"{tiny_disk}/state"}
    variables |= {"CONTAINERS_STORAGE_CONF": str(storage), "PYTHONPATH": str(find_checkout().root / "src")}
    done = run([sys.executable, "-m", "skerry.cli.main", "stack", "check"], env=variables, check=False)
    assert done.status == 1
    [line] = [line for line in done.stderr.splitlines() if "[preflight.disk]" in line]
    assert f"{tiny_disk}/graph and {tiny_disk}" in line
    assert "22784 MiB are needed" in line
    assert not (tiny_disk / "cache").exists()
