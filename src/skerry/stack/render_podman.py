"""A plan as argument lists for podman: networks, volumes, secrets, containers. What `skerry stack up` runs.

Contract: pure; each function returns the words of one command. Tried with podman 4.3 (Debian 12) and 5.4 (Debian 13):
https://docs.podman.io/en/latest/markdown/podman-create.1.html.

What every container gets, and why:
- a root file system that cannot be written; tmpfs only where declared, and /run/secrets, in which secrets are placed;
- no capability, no way to new ones; numeric user;
- a hosts file of ours with the names it may call: podman's own inherits the host's and adds the host to it;
- a name server on its own loopback, where nobody answers: nothing asks the host's;
- no IPv6: the graph's networks are IPv4, and link-local addresses would lead around them;
- no proxy variables of the host.

A worker pool's instance is two containers: its holder, which does nothing but hold the user and network namespaces, and
the instance, which joins them. For podman before 4.8 configures the network of a container with a user namespace anew
when its restart policy restarts it, and does not take the old one down: its fixed address is taken, by itself, and it
stays `Created` (https://github.com/containers/podman/pull/20384). One that joins a network has none to configure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from skerry.stack.definition import Tmpfs
    from skerry.stack.plan import Instance, Network, Pool, VolumePlan

LOG_MAX = "10mb"
SECRETS_TMPFS = "type=tmpfs,destination=/run/secrets,tmpfs-size=1m,tmpfs-mode=0755,notmpcopyup"
SECRETS_FOLDER = "/run/secrets"
CPU_SHARES_PER_WEIGHT = 1024 / 100
READ_ONLY = ("--read-only", "--read-only-tmpfs=false")
PLAIN = (
    *("--http-proxy=false", "--no-healthcheck", "--image-volume=ignore"),
    *("--log-driver=k8s-file", f"--log-opt=max-size={LOG_MAX}"),
)
# podman mounts the host's /sys over a network namespace that was joined: it names the host's interfaces.
EMPTY_SYS = "type=tmpfs,destination=/sys,tmpfs-size=4k,tmpfs-mode=0555,ro,notmpcopyup"
HOLDER_COMMAND = ("sleep", "infinity")
HOLDER_MEMORY_MIB = 16
HOLDER_TASKS = 8


@dataclass(frozen=True)
class HostFiles:
    """Where on the host the files lie that containers mount: `sources` by their path in the checkout."""

    sources: Mapping[str, Path]
    hosts: Path


def hosts_file(instance: Instance) -> str:
    """Return the text of the instance's /etc/hosts: itself, and whom it may call."""
    lines = [f"127.0.0.1 localhost {instance.definition.name}"]
    lines += [f"{address} {name}" for name, address in sorted(instance.hosts.items())]
    return "\n".join(lines) + "\n"


def create_network(network: Network, *, labels: Mapping[str, str]) -> list[str]:
    """Return the command that makes a network."""
    words = ["network", "create", "--driver=bridge", "--disable-dns"]
    words += ["--internal"] if network.internal else []
    words += [f"--subnet={network.subnet.cidr}", f"--gateway={network.subnet.gateway}"]
    return [*words, *_labels(labels), network.name]


def create_volume(volume: VolumePlan, *, labels: Mapping[str, str]) -> list[str]:
    """Return the command that makes a volume owned by its writer."""
    return ["volume", "create", f"--opt=o=uid={volume.uid},gid={volume.uid}", *_labels(labels), volume.name]


def create_secret(name: str, path: Path, *, labels: Mapping[str, str]) -> list[str]:
    """Return the command that hands a file over as a secret."""
    return ["secret", "create", *_labels(labels), name, str(path)]


def create_container(instance: Instance, files: HostFiles, *, labels: Mapping[str, str], limits: bool) -> list[str]:
    """Return the command that makes an instance's container, not started; that of a pool needs its holder first.

    Args:
        instance: of a plan.
        files: where its files lie.
        labels: by which it is known as ours.
        limits: whether the host can limit memory, processor and tasks.
    """
    definition = instance.definition
    words = ["create", f"--name={instance.container}", f"--hostname={definition.name}", *_unprivileged(instance)]
    words += [f"--cap-add={name}" for name in definition.security.capabilities]
    words += ["--security-opt=unmask=ALL"] if definition.security.unmask else []
    words += [f"--userns=container:{instance.holder}"] if instance.holder else []
    words += READ_ONLY if definition.security.read_only_root else []
    words += PLAIN
    words += [f"--stop-signal={definition.stop_signal}", f"--stop-timeout={definition.stop_timeout_s}"]
    words += ["--restart=always" if definition.kind == "service" else "--restart=no"]
    hosts = ["--no-hosts", f"--volume={files.hosts}:/etc/hosts:ro"]
    if instance.holder:
        words += [f"--network=container:{instance.holder}", *hosts, f"--mount={EMPTY_SYS}"]
    else:
        words += _network(instance, hosts)
    words += _limits(instance) if limits else []
    words += [f"--env={name}={value}" for name, value in instance.environment.items()]
    words += _mounts(instance, files)
    return [*words, *_labels(labels), instance.image, *instance.command]


def create_holder(instance: Instance, pool: Pool, *, labels: Mapping[str, str], limits: bool) -> list[str]:
    """Return the command that makes the container which holds the namespaces of a pool's instance, not started."""
    words = ["create", f"--name={instance.holder}", *_unprivileged(instance)]
    words += [f"--uidmap=0:{pool.ids_first}:{pool.ids}", f"--gidmap=0:{pool.ids_first}:{pool.ids}"]
    words += [*READ_ONLY, *PLAIN, "--stop-signal=SIGKILL", "--restart=always"]
    words += _network(instance, ["--no-hosts"])
    words += [f"--memory={HOLDER_MEMORY_MIB}m", f"--pids-limit={HOLDER_TASKS}"] if limits else []
    return [*words, *_labels(labels), instance.image, *HOLDER_COMMAND]


def _unprivileged(instance: Instance) -> list[str]:
    user = f"--user={instance.uid}:{instance.uid}"
    return ["--pull=never", user, "--cap-drop=all", "--security-opt=no-new-privileges"]


def tmpfs_mount(item: Tmpfs) -> str:
    """Return a tmpfs as the value of --mount: the user's own, nothing in it can be run."""
    return (
        f"type=tmpfs,destination={item.target},tmpfs-size={item.size_mib}m,tmpfs-mode=0700,"
        "chown=true,noexec,notmpcopyup"
    )


def _network(instance: Instance, hosts: Sequence[str]) -> list[str]:
    words = [f"--network={item.network.name}:ip={item.address},mac={item.mac}" for item in instance.attachments]
    words = words or ["--network=none"]
    words += [*hosts, "--sysctl=net.ipv6.conf.all.disable_ipv6=1"]
    if instance.attachments:
        words += ["--dns=127.0.0.1", "--dns-search=."]
    for publish in instance.definition.publish:
        inner = instance.definition.ports[publish.to]
        words += [f"--publish={publish.address}:{publish.port}:{inner}/tcp"]
    return words


def _limits(instance: Instance) -> list[str]:
    limits = instance.definition.limits
    return [
        f"--memory={limits.memory_mib}m",
        f"--pids-limit={limits.tasks}",
        f"--cpu-shares={round(limits.cpu_weight * CPU_SHARES_PER_WEIGHT)}",
    ]


def _mounts(instance: Instance, files: HostFiles) -> list[str]:
    definition = instance.definition
    words = [f"--mount={tmpfs_mount(item)}" for item in definition.tmpfs]
    for file in definition.files:
        words += [f"--volume={files.sources[file.source]}:{file.target}:ro"]
    for volume in instance.volumes:
        mode = "ro" if volume.read_only else "rw"
        words += [f"--volume={volume.name}:{volume.target}:{mode},nocopy"]
    if instance.secrets:
        words += [f"--mount={SECRETS_TMPFS}"]
    for secret in instance.secrets:
        owner = f"uid={instance.uid},gid={instance.uid},mode=0400"
        words += [f"--secret={secret.name},type=mount,{owner},target={secret.target}"]
    return words


def _labels(labels: Mapping[str, str]) -> Sequence[str]:
    return [f"--label={name}={value}" for name, value in sorted(labels.items())]
