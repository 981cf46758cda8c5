"""What the host's kernel lets us do: control groups, capabilities, processor, memory. Read from /proc and /sys only."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path

CAP_SYS_RESOURCE = 24
CONTROLLERS = ("memory", "pids", "cpu")
# What GCC means by x86-64-v3, in the words of /proc/cpuinfo (https://gitlab.com/x86-psABIs/x86-64-ABI, levels).
LEVEL_FLAGS = {
    "x86-64": frozenset[str](),
    "x86-64-v2": frozenset({"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}),
    "x86-64-v3": frozenset(
        {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}
        | {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}
    ),
}


@dataclass(frozen=True)
class Machine:
    """Roots of the two file systems that are read: others in tests."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    run: Path = Path("/run")

    def unified_cgroups(self) -> bool:
        """Say whether control groups are version 2 only; otherwise crun refuses and runc works."""
        return (self.sys / "fs/cgroup/cgroup.controllers").is_file()

    def systemd(self) -> bool:
        """Say whether systemd is the init (sd_booted(3))."""
        return (self.run / "systemd/system").is_dir()

    def can_limit(self) -> bool:
        """Say whether memory, processes and processor of a container can be limited."""
        if self.unified_cgroups():
            listed = (self.sys / "fs/cgroup/cgroup.controllers").read_text().split()
            return set(CONTROLLERS) <= set(listed)
        return all((self.sys / "fs/cgroup" / name).is_dir() for name in CONTROLLERS)

    def has_capability(self, number: int) -> bool:
        """Say whether this process has a capability in its effective set (capabilities(7))."""
        for line in (self.proc / "self/status").read_text().splitlines():
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) >> number & 1)
        return False

    def missing_cpu_flags(self, level: str) -> frozenset[str]:
        """Return what the processor lacks for a level (`x86-64-v3`), in the words of /proc/cpuinfo."""
        flags: set[str] = set()
        for line in (self.proc / "cpuinfo").read_text().splitlines():
            if line.startswith("flags"):
                flags = set(line.partition(":")[2].split())
                break
        return LEVEL_FLAGS[level] - flags

    def memory_mib(self, field: str = "MemAvailable") -> int:
        """Return a field of /proc/meminfo in MiB."""
        for line in (self.proc / "meminfo").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) // 1024
        return 0

    def hard_limits(self) -> dict[str, int]:
        """Return the highest limits a container can be given without CAP_SYS_RESOURCE.

        podman lowers its own limit of processes to the number of process ids before it starts anything (seen with 4.3:
        conmon has pid_max where its parent had more), and no container can have more than that.
        """
        pids = int((self.proc / "sys/kernel/pid_max").read_text())
        nofile, nproc = (resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
        found = {"nofile": nofile, "nproc": pids if nproc == resource.RLIM_INFINITY else min(nproc, pids)}
        return {name: value for name, value in found.items() if value != resource.RLIM_INFINITY}


def podman_settings(machine: Machine) -> str:
    """Return the containers.conf that podman needs on this host; empty text on an ordinary one.

    Each line stands for a thing found missing: crun needs cgroups v2; without systemd nobody makes scopes or keeps a
    journal; without CAP_SYS_RESOURCE podman cannot raise limits above those we have.
    """
    engine: list[str] = []
    containers: list[str] = []
    if not machine.unified_cgroups():
        engine.append('runtime = "runc"')
    if not machine.systemd():
        engine += ['cgroup_manager = "cgroupfs"', 'events_logger = "file"']
    if not machine.has_capability(CAP_SYS_RESOURCE):
        words = [f'"{name}={value}:{value}"' for name, value in machine.hard_limits().items()]
        containers.append(f"default_ulimits = [{', '.join(words)}]")
    blocks = [("engine", engine), ("containers", containers)]
    return "\n".join(f"[{title}]\n" + "\n".join(lines) + "\n" for title, lines in blocks if lines)
