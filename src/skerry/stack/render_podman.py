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
    """Return the command that makes an instance's container, not started.

    Args:
        instance: of a plan.
        files: where its files lie.
        labels: by which it is known as ours.
        limits: whether the host can limit memory, processor and tasks.
    """
    definition = instance.definition
    words = ["create", f"--name={instance.container}", f"--hostname={definition.name}", "--pull=never"]
    words += [f"--user={instance.uid}:{instance.uid}", "--cap-drop=all", "--security-opt=no-new-privileges"]
    words += [f"--cap-add={name}" for name in definition.security.capabilities]
    words += ["--security-opt=unmask=ALL"] if definition.security.unmask else []
    words += user_namespace(instance.pool)
    words += ["--read-only", "--read-only-tmpfs=false"] if definition.security.read_only_root else []
    words += ["--http-proxy=false", "--no-healthcheck", "--image-volume=ignore"]
    words += ["--log-driver=k8s-file", f"--log-opt=max-size={LOG_MAX}"]
    words += [f"--stop-signal={definition.stop_signal}", f"--stop-timeout={definition.stop_timeout_s}"]
    words += ["--restart=always" if definition.kind == "service" else "--restart=no"]
    words += _network(instance, files)
    words += _limits(instance) if limits else []
    words += [f"--env={name}={value}" for name, value in instance.environment.items()]
    words += _mounts(instance, files)
    return [*words, *_labels(labels), instance.image, *instance.command]


def user_namespace(pool: Pool | None) -> list[str]:
    """Return the options that give a worker pool ids of its own; none for others."""
    if pool is None:
        return []
    return [f"--uidmap=0:{pool.ids_first}:{pool.ids}", f"--gidmap=0:{pool.ids_first}:{pool.ids}"]


def tmpfs_mount(item: Tmpfs) -> str:
    """Return a tmpfs as the value of --mount: the user's own, nothing in it can be run."""
    return (
        f"type=tmpfs,destination={item.target},tmpfs-size={item.size_mib}m,tmpfs-mode=0700,"
        "chown=true,noexec,notmpcopyup"
    )


def _network(instance: Instance, files: HostFiles) -> list[str]:
    words = [f"--network={item.network.name}:ip={item.address},mac={item.mac}" for item in instance.attachments]
    words = words or ["--network=none"]
    words += ["--no-hosts", f"--volume={files.hosts}:/etc/hosts:ro", "--sysctl=net.ipv6.conf.all.disable_ipv6=1"]
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
