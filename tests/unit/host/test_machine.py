"""What a host lets us do, read from a tree of files like /proc and /sys."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest

from skerry.host.machine import CAP_SYS_RESOURCE, Machine, podman_settings

if TYPE_CHECKING:
    from pathlib import Path

ALL_CAPABILITIES = "000001ffffffffff"
V3 = "fpu cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3 avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"


@pytest.fixture
def host(tmp_path: Path) -> Machine:
    """An ordinary host: control groups version 2, systemd, every capability."""
    files = {
        "proc/self/status": f"Name:\tx\nCapEff:\t{ALL_CAPABILITIES}\n",
        "proc/cpuinfo": f"processor : 0\nflags\t\t: {V3}\n",
        "proc/meminfo": "MemTotal:  8388608 kB\nMemAvailable:  2097152 kB\n",
        "proc/sys/kernel/pid_max": "32768\n",
        "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
        "run/systemd/system/x": "",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return Machine(tmp_path / "proc", tmp_path / "sys", tmp_path / "run")


def test_an_ordinary_host_needs_no_settings(host: Machine) -> None:
    assert podman_settings(host) == ""
    assert host.can_limit()
    assert host.has_capability(CAP_SYS_RESOURCE)


def test_mixed_control_groups_want_runc(host: Machine) -> None:
    (host.sys / "fs/cgroup/cgroup.controllers").unlink()
    assert podman_settings(host) == '[engine]\nruntime = "runc"\n'
    assert not host.can_limit()
    for name in ("memory", "pids", "cpu"):
        (host.sys / "fs/cgroup" / name).mkdir()
    assert host.can_limit()


def test_a_host_without_systemd_wants_plain_groups_and_events(host: Machine) -> None:
    (host.run / "systemd/system/x").unlink()
    (host.run / "systemd/system").rmdir()
    assert podman_settings(host) == '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'


def test_without_the_capability_limits_stay_below_ours(host: Machine) -> None:
    status = host.proc / "self/status"
    status.write_text(f"CapEff:\t{int(ALL_CAPABILITIES, 16) & ~(1 << CAP_SYS_RESOURCE):016x}\n")
    text = podman_settings(host)
    limits = dict(part.split("=") for part in text.split("[", 2)[2].replace('"', "").rstrip("]\n").split(", "))
    assert int(limits["nproc"].split(":")[0]) <= 32768
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert limits["nofile"] == f"{hard}:{hard}"


def test_missing_controllers_mean_no_limits(host: Machine) -> None:
    (host.sys / "fs/cgroup/cgroup.controllers").write_text("cpuset\n")
    assert not host.can_limit()


def test_a_processor_is_told_by_what_it_lacks(host: Machine) -> None:
    assert host.missing_cpu_flags("x86-64-v3") == frozenset()
    cpuinfo = host.proc / "cpuinfo"
    cpuinfo.write_text(cpuinfo.read_text().replace(" avx2", "").replace(" abm", ""))
    assert host.missing_cpu_flags("x86-64-v3") == {"avx2", "abm"}
    assert host.missing_cpu_flags("x86-64-v2") == frozenset()


def test_memory(host: Machine) -> None:
    assert (host.memory_mib(), host.memory_mib("MemTotal"), host.memory_mib("Swap")) == (2048, 8192, 0)
