"""What must be true before anything starts. Every check runs, and everything found is told at once.

Contract: nothing is changed. A check returns findings; each has a code `preflight.*`, what is wrong in one line and
what to do about it in another.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skerry.base import process
from skerry.base.errors import PreconditionError
from skerry.host.bridges import stray_bridges
from skerry.host.ingress import check_filter
from skerry.host.podman import LABEL_INSTANCE, LABEL_STATE
from skerry.host.ports import listener_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from skerry.host.machine import Machine
    from skerry.host.podman import Podman
    from skerry.host.state import State
    from skerry.stack.plan import Plan

MIB = 1 << 20
STATE_FREE_MIB = 256
IMAGES_FREE_MIB = 4096
MEMORY_FREE_MIB = 2560
# What building every image takes besides; measured 10 GiB of cache and 1 GiB of storage at the end, more meanwhile.
BUILD_CACHE_MIB = 14_336
BUILD_STORAGE_MIB = 4096
BUILD_MEMORY_MIB = 6144
PODMAN_LEAST = (4, 3)
SHOWN = 3
INSTALL_DEADLINE_S = 900.0

# Program and Debian's package of it: the containers, their watcher, the packet filter (ours, and podman's), interfaces.
PROGRAMS = (
    *(("podman", "podman"), ("conmon", "conmon"), ("nft", "nftables"), ("iptables", "iptables")),
    ("ip", "iproute2"),
)
NETAVARK = ("/usr/lib/podman/netavark", "/usr/libexec/podman/netavark")
# Debian's netavark calls iptables up to 1.12; 1.12.1-8 and later (Debian 13) write nftables' rules themselves.
NETAVARK_NFTABLES = (1, 13)


@dataclass(frozen=True)
class Finding:
    """One thing that is in the way."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True)
class Build:
    """What is to be built before the stack can start.

    Args:
        cache: where fetched parts and compiled programs go.
        share: how much of all images, from 0 to 1.
        compiles: whether programs have to be compiled, which takes memory.
    """

    cache: Path
    share: float
    compiles: bool


class PreflightError(PreconditionError):
    """Everything that is in the way; the first finding gives the code."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        first = findings[0]
        super().__init__(first.code, first.message, first.hint)
        self.findings = tuple(findings)


def check_tools(machine: Machine) -> list[Finding]:
    """Rights and programs: without these no other check can run."""
    return [*check_rights(), *check_programs(machine)]


def check_host(
    plan: Plan, podman: Podman, state: State, *, machine: Machine, build: Build | None = None
) -> list[Finding]:
    """Everything else, in the order in which it would be met; with `build`, before the images are there."""
    checks: tuple[Callable[[], Iterable[Finding]], ...] = (
        lambda: check_podman(podman),
        lambda: check_processor(plan, machine),
        lambda: check_disk(podman, state, build=build),
        lambda: check_memory(plan, podman, machine, build=build),
        lambda: check_ports(plan, podman, machine),
        lambda: check_others(plan, podman),
        lambda: check_addresses(plan, podman, machine),
        lambda: check_rules(plan),
        lambda: check_images(plan, podman) if build is None else (),
    )
    return [finding for check in checks for finding in check()]


def check_rights() -> list[Finding]:
    """Networks, fixed users and the packet filter need root."""
    if os.geteuid() == 0:
        return []
    return [Finding("preflight.rights", "only root can run the stack", "run the same command with sudo")]


def missing_packages(machine: Machine) -> list[str]:
    """Return the Debian packages this host lacks, sorted."""
    missing = {package for program, package in PROGRAMS if shutil.which(program) is None}
    netavark = next((path for path in NETAVARK if os.access(path, os.X_OK)), None)
    if netavark is None:
        missing.add("netavark")
    elif _version(process.run([netavark, "--version"]).stdout) >= NETAVARK_NFTABLES:
        missing.discard("iptables")
    # crun refuses control groups of version 1, and hosts that mix both.
    runtime = "crun" if machine.unified_cgroups() else "runc"
    if shutil.which(runtime) is None:
        missing.add(runtime)
    return sorted(missing)


def check_programs(machine: Machine) -> list[Finding]:
    """The programs that are run, by the packages they come in."""
    missing = missing_packages(machine)
    if not missing:
        return []
    return [
        Finding(
            "preflight.missing_packages",
            f"this host lacks {', '.join(missing)}",
            f"run the command with --install, or: apt-get install --no-install-recommends {' '.join(missing)}",
        )
    ]


def install_packages(packages: Sequence[str]) -> None:
    """Install Debian packages from the host's own sources.

    Raises:
        ProcessError: with apt's words.
        PreconditionError: `process.missing_program` on a host without apt.
    """
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    process.run(["apt-get", "update", "--quiet"], env=environment, deadline_s=INSTALL_DEADLINE_S)
    words = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    process.run(words, env=environment, deadline_s=INSTALL_DEADLINE_S)


def check_podman(podman: Podman) -> list[Finding]:
    """Several networks with fixed addresses for one container: podman 4 with netavark; 4.3 is what was tried."""
    findings = []
    text = podman.run(["version", "--format={{.Client.Version}}"]).stdout.strip()
    if _version(text) < PODMAN_LEAST:
        least = ".".join(map(str, PODMAN_LEAST))
        findings.append(
            Finding("preflight.podman_old", f"podman is {text}, at least {least} is needed", "upgrade podman")
        )
    backend = podman.run(["info", "--format={{.Host.NetworkBackend}}"]).stdout.strip()
    if backend != "netavark":
        findings.append(
            Finding(
                "preflight.network_backend",
                f"podman's networks are made by {backend or 'nobody'}, not by netavark",
                'set network_backend = "netavark" in /etc/containers/containers.conf, then `podman system reset`',
            )
        )
    return findings


def check_processor(plan: Plan, machine: Machine) -> list[Finding]:
    """The model server is compiled for a level of x86-64."""
    level = plan.appliance.release.toolchain.cpu
    missing = machine.missing_cpu_flags(level)
    if not missing:
        return []
    return [
        Finding(
            "preflight.processor",
            f"the processor is below {level}: it lacks {', '.join(sorted(missing))}",
            "use a host from about 2015 or later; in a virtual machine pass the host's processor through",
        )
    ]


def check_disk(podman: Podman, state: State, *, build: Build | None = None) -> list[Finding]:
    """Room to work in: for the state, where podman keeps volumes and containers, and for what is to be built."""
    storage = Path(podman.run(["info", "--format={{.Store.GraphRoot}}"]).stdout.strip())
    wanted = [(state.root, STATE_FREE_MIB), (storage, IMAGES_FREE_MIB)]
    if build is not None:
        wanted += [
            (storage, round(BUILD_STORAGE_MIB * build.share)),
            (build.cache, round(BUILD_CACHE_MIB * build.share)),
        ]
    needs: dict[int, int] = {}
    places: dict[int, list[Path]] = {}
    for folder, need in wanted:
        # What does not exist yet will lie on the file system of the folder above it.
        there = next(place for place in (folder, *folder.parents) if place.exists())
        device = there.stat().st_dev
        needs[device] = needs.get(device, 0) + need
        if there not in places.setdefault(device, []):
            places[device].append(there)
    findings = []
    for device, need in needs.items():
        free = shutil.disk_usage(places[device][0]).free // MIB
        if free < need:
            findings.append(
                Finding(
                    "preflight.disk",
                    f"{' and '.join(map(str, places[device]))}: {free} MiB free, {need} MiB are needed",
                    "make room there, or put it on a larger file system",
                )
            )
    return findings


def check_memory(plan: Plan, podman: Podman, machine: Machine, *, build: Build | None = None) -> list[Finding]:
    """Room for everything at once, and for compilers before; a stack that runs already has taken its part."""
    running = sum(item.running for item in podman.containers().values()) * 2 >= len(plan.instances)
    need = 0 if running else MEMORY_FREE_MIB
    if build is not None and build.compiles:
        need = BUILD_MEMORY_MIB - (MEMORY_FREE_MIB if running else 0)
    free = machine.memory_mib()
    if free >= need:
        return []
    return [
        Finding(
            "preflight.memory",
            f"{free} MiB of memory are available, {need} MiB are needed",
            "end other programs, or give the host more memory",
        )
    ]


def check_ports(plan: Plan, podman: Podman, machine: Machine) -> list[Finding]:
    """The ports of the host that lead in are free, or ours already."""
    ours = {item.labels.get(LABEL_INSTANCE) for item in podman.containers().values() if item.running}
    findings = []
    for instance in plan.instances.values():
        for publish in () if instance.name in ours else instance.definition.publish:
            if _is_free(publish.address, publish.port):
                continue
            holder = listener_on(publish.port, proc=machine.proc) or "another program"
            findings.append(
                Finding(
                    "preflight.port_taken",
                    f"port {publish.port} of {publish.address} is taken by {holder}; {instance.name} needs it",
                    "end that program or let it listen elsewhere",
                )
            )
    return findings


def check_others(plan: Plan, podman: Podman) -> list[Finding]:
    """One stack a host: names, addresses and ports are fixed."""
    owners: dict[str, list[str]] = {}
    for item in podman.foreign_containers(plan.site.prefix):
        owners.setdefault(item.labels.get(LABEL_STATE, ""), []).append(item.name)
    findings = []
    for owner, names in sorted(owners.items()):
        shown = _few(sorted(names))
        if owner:
            hint = f"take it down first: SKERRY_STATE={owner} skerry stack down"
            findings.append(Finding("preflight.other_stack", f"another stack is there, in {owner}: {shown}", hint))
        else:
            message = f"containers with our names are not ours: {shown}"
            findings.append(Finding("preflight.other_stack", message, "rename or remove them"))
    return findings


def check_addresses(plan: Plan, podman: Podman, machine: Machine) -> list[Finding]:
    """Nobody else uses the addresses of our networks; `up` removes bridges that outlived a network of ours."""
    pool = ipaddress.IPv4Network(plan.site.addresses)
    own = {item.interface for item in podman.networks().values()}
    own |= {bridge.name for bridge in stray_bridges(plan.site.addresses, podman)}
    taken = [
        f"{network} ({interface})"
        for interface, network in routes(machine.proc / "net/route")
        if interface not in own and network.prefixlen > 0 and network.overlaps(pool)
    ]
    if not taken:
        return []
    return [
        Finding(
            "preflight.addresses_taken",
            f"the host has routes into {pool}, which the stack uses: {_few(taken)}",
            "choose another /16: `addresses` in site.toml of the state root",
        )
    ]


def _few(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def check_rules(plan: Plan) -> list[Finding]:
    """The kernel can hold the packet filter."""
    try:
        check_filter(plan)
    except PreconditionError as error:
        return [Finding(error.code, error.message, error.hint)]
    return []


def check_images(plan: Plan, podman: Podman) -> list[Finding]:
    """Every image is there: nothing is ever pulled."""
    wanted = sorted({item.image for item in plan.instances.values()})
    there = podman.image_ids()
    missing = [reference for reference in wanted if reference not in there]
    if not missing:
        return []
    return [
        Finding(
            "preflight.missing_image",
            f"{len(missing)} of {len(wanted)} images are not built: {_few(missing)}",
            "run `make images`",
        )
    ]


def routes(path: Path) -> list[tuple[str, ipaddress.IPv4Network]]:
    """Return interface and destination of every IPv4 route; /proc/net/route has them in little-endian hexadecimal."""
    found = []
    for line in path.read_text().splitlines()[1:]:
        interface, destination, *rest = line.split()
        address = int.from_bytes(bytes.fromhex(destination), "little")
        mask = int.from_bytes(bytes.fromhex(rest[5]), "little")
        found.append((interface, ipaddress.IPv4Network((address, mask.bit_count()))))
    return found


def _version(text: str) -> tuple[int, ...]:
    """Return major and minor number of the first version in a text."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _is_free(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        # Connections of a listener that has gone linger; a listener does not.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except OSError:
            return False
    return True
