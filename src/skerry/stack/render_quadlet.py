"""A plan as Quadlet units: what systemd runs on an appliance.

Contract: pure; returns file names and texts. Units go to /etc/containers/systemd, `skerry.target` and the packet
filter to /etc/systemd/system. For podman 5.4 (Debian 13):
https://docs.podman.io/en/v5.4.2/markdown/podman-systemd.unit.5.html. Options and their reasons are those of
render_podman.py; limits stand in [Service], where systemd applies what the host's kernel can.

A service counts as started when it is healthy (Notify=healthy), so After= waits for readiness. It wants the services
before it (one that is stopped takes nobody with it) and requires the jobs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from skerry.stack.render_nftables import render_nftables
from skerry.stack.render_podman import SECRETS_TMPFS, hosts_file, tmpfs_mount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skerry.stack.plan import Instance, Network, Plan, VolumePlan

HOST_FOLDER = "/etc/skerry"
UNITS_FOLDER = "etc/containers/systemd"
SYSTEMD_FOLDER = "etc/systemd/system"
RESTART_PAUSE_S = 2


def render_quadlet(plan: Plan, *, host_folder: str = HOST_FOLDER) -> dict[str, str]:
    """Return every file by its path from the root of the host.

    Args:
        plan: of a site.
        host_folder: where the appliance's own files lie: `hosts/`, `network.nft`, and the checkout's data folders.
    """
    target = plan.site.prefix
    files = {
        f"{SYSTEMD_FOLDER}/{target}.target": _target(plan),
        f"{SYSTEMD_FOLDER}/{target}-filter.service": _filter_service(plan, host_folder),
        f"{host_folder.lstrip('/')}/network.nft": render_nftables(plan),
    }
    for network in plan.networks.values():
        files[f"{UNITS_FOLDER}/{network.name}.network"] = _network(network)
    for volume in plan.volumes.values():
        files[f"{UNITS_FOLDER}/{volume.name}.volume"] = _volume(volume)
    for instance in plan.instances.values():
        files[f"{UNITS_FOLDER}/{instance.container}.container"] = _container(instance, plan, host_folder)
        files[f"{host_folder.lstrip('/')}/hosts/{instance.container}"] = hosts_file(instance)
    return dict(sorted(files.items()))


def quote(words: Sequence[str]) -> str:
    """Return words as systemd reads a command line: quoted where needed, `%` and `$` doubled.

    Source: systemd.service(5), COMMAND LINES, and systemd.syntax(7), QUOTING.
    """
    return " ".join(_quote(word) for word in words)


def _quote(word: str) -> str:
    doubled = word.replace("%", "%%").replace("$", "$$")
    if doubled and not any(char in " \t\n\"'\\;" for char in doubled):
        return doubled
    inner = doubled.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{inner}"'


def _text(*sections: tuple[str, Sequence[str]]) -> str:
    blocks = ["\n".join([f"[{title}]", *lines]) for title, lines in sections if lines]
    return "# Made by skerry from appliance/services.\n" + "\n\n".join(blocks) + "\n"


def _target(plan: Plan) -> str:
    return _text(
        ("Unit", ["Description=Skerry, the whole appliance", f"Wants={plan.site.prefix}-filter.service"]),
        ("Install", ["WantedBy=multi-user.target"]),
    )


def _filter_service(plan: Plan, host_folder: str) -> str:
    target = f"{plan.site.prefix}.target"
    return _text(
        (
            "Unit",
            [
                "Description=Skerry's packet filter: the edges of the graph and nothing else",
                "Before=network-pre.target",
                "Wants=network-pre.target",
                f"PartOf={target}",
            ],
        ),
        ("Service", ["Type=oneshot", "RemainAfterExit=yes", f"ExecStart=/usr/sbin/nft -f {host_folder}/network.nft"]),
        ("Install", [f"WantedBy={target}"]),
    )


def _network(network: Network) -> str:
    lines = [
        f"NetworkName={network.name}",
        f"Subnet={network.subnet.cidr}",
        f"Gateway={network.subnet.gateway}",
        "DisableDNS=true",
    ]
    return _text(("Network", [*lines, *(["Internal=true"] if network.internal else [])]))


def _volume(volume: VolumePlan) -> str:
    return _text(("Volume", [f"VolumeName={volume.name}", f"User={volume.uid}", f"Group={volume.uid}"]))


def _container(instance: Instance, plan: Plan, host_folder: str) -> str:
    return _text(
        ("Unit", _unit(instance, plan)),
        ("Container", _container_lines(instance, host_folder)),
        ("Service", _service(instance)),
        ("Install", [f"WantedBy={plan.site.prefix}.target"]),
    )


def _unit(instance: Instance, plan: Plan) -> list[str]:
    network = f"{plan.site.prefix}-filter.service"
    before = [plan.instances[name] for name in sorted(instance.definition.after)]
    services = [f"{item.container}.service" for item in before if item.definition.kind == "service"]
    jobs = [f"{item.container}.service" for item in before if item.definition.kind == "job"]
    return [
        f"Description=Skerry: {instance.definition.about}".replace("%", "%%"),
        f"PartOf={plan.site.prefix}.target",
        " ".join([f"After={network}", *services, *jobs]),
        " ".join([f"Requires={network}", *jobs]),
        *([" ".join(["Wants=" + services[0], *services[1:]])] if services else []),
    ]


def _container_lines(instance: Instance, host_folder: str) -> list[str]:
    definition = instance.definition
    return [
        f"ContainerName={instance.container}",
        f"HostName={definition.name}",
        f"Image={instance.image}",
        "Pull=never",
        *([f"Exec={quote(instance.command)}"] if instance.command else []),
        f"User={instance.uid}",
        f"Group={instance.uid}",
        "DropCapability=all",
        *(f"AddCapability=CAP_{name.removeprefix('CAP_')}" for name in definition.security.capabilities),
        "NoNewPrivileges=true",
        *(["Unmask=ALL"] if definition.security.unmask else []),
        *_pool(instance),
        *(["ReadOnly=true", "ReadOnlyTmpfs=false"] if definition.security.read_only_root else []),
        *_network_lines(instance),
        *(f"Environment={quote([f'{name}={value}'])}" for name, value in instance.environment.items()),
        *_mounts(instance, host_folder),
        *_health(instance),
        f"StopTimeout={definition.stop_timeout_s}",
        "LogDriver=journald",
        f"PodmanArgs=--stop-signal={definition.stop_signal} --http-proxy=false --no-hosts --image-volume=ignore",
    ]


def _pool(instance: Instance) -> list[str]:
    if instance.pool is None:
        return []
    ids = f"0:{instance.pool.ids_first}:{instance.pool.ids}"
    return [f"UIDMap={ids}", f"GIDMap={ids}"]


def _network_lines(instance: Instance) -> list[str]:
    lines = [f"Network={item.network.name}.network:ip={item.address},mac={item.mac}" for item in instance.attachments]
    lines = [*lines, "DNS=127.0.0.1", "DNSSearch=."] if lines else ["Network=none"]
    lines += ["Sysctl=net.ipv6.conf.all.disable_ipv6=1"]
    for publish in instance.definition.publish:
        lines += [f"PublishPort={publish.address}:{publish.port}:{instance.definition.ports[publish.to]}/tcp"]
    return lines


def _mounts(instance: Instance, host_folder: str) -> list[str]:
    definition = instance.definition
    lines = [f"Volume={host_folder}/hosts/{instance.container}:/etc/hosts:ro"]
    lines += [f"Volume={host_folder}/{file.source}:{file.target}:ro" for file in definition.files]
    for volume in instance.volumes:
        mode = "ro" if volume.read_only else "rw"
        lines += [f"Volume={volume.name}.volume:{volume.target}:{mode},nocopy"]
    lines += [f"Mount={tmpfs_mount(item)}" for item in definition.tmpfs]
    lines += [f"Mount={SECRETS_TMPFS}"] if instance.secrets else []
    for secret in instance.secrets:
        owner = f"uid={instance.uid},gid={instance.uid},mode=0400"
        lines += [f"Secret={secret.name},type=mount,{owner},target={secret.target}"]
    return lines


def _health(instance: Instance) -> list[str]:
    health = instance.definition.health
    if health is None:
        return ["HealthCmd=none"]
    return [
        # A list of more than one word is run as it is; text would go through a shell. podman itself puts "CMD" before
        # the list, and splits the text at spaces when it is there already (seen with 4.3 and 5.4).
        f"HealthCmd={_json_words(instance.health)}",
        f"HealthInterval={health.interval_s}s",
        f"HealthTimeout={health.timeout_s}s",
        f"HealthRetries={health.retries}",
        f"HealthStartPeriod={health.start_deadline_s}s",
        "Notify=healthy",
    ]


def _json_words(words: Sequence[str]) -> str:
    text = json.dumps(list(words), ensure_ascii=False)
    return text.replace("%", "%%").replace("$", "$$")


def _service(instance: Instance) -> list[str]:
    definition, limits = instance.definition, instance.definition.limits
    lines = [f"MemoryMax={limits.memory_mib}M", f"CPUWeight={limits.cpu_weight}", f"TasksMax={limits.tasks}"]
    if definition.kind == "job":
        return ["Type=oneshot", "RemainAfterExit=yes", *lines]
    start = definition.health.start_deadline_s if definition.health else 0
    return [
        "Restart=always",
        f"RestartSec={RESTART_PAUSE_S}",
        f"TimeoutStartSec={start}",
        f"TimeoutStopSec={definition.stop_timeout_s + 10}",
        *lines,
    ]
