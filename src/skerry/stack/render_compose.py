"""A plan as compose.yaml, for people with another orchestrator.

Contract: pure; the text says itself that it is untested. Every value is written as a JSON string, which YAML reads as
it stands, so no value can be taken for something else. Source: https://github.com/compose-spec/compose-spec.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from skerry.stack.render_podman import SECRETS_FOLDER

if TYPE_CHECKING:
    from skerry.stack.plan import Instance, Plan

HEADER = """\
# Made by skerry from appliance/services. UNTESTED: nobody runs this file; the appliance and `skerry stack up` run
# podman instead. The same graph, users, limits and secrets; what it cannot say and they enforce: nobody but the client
# of a network opens connections on it, and nothing leaves by way of the edge's network.
# Secrets are read from ./secrets/<name>; make them first, mode 0400, owned by the uid that reads them.
"""


def render_compose(plan: Plan) -> str:
    """Return the text of compose.yaml."""
    document: dict[str, Any] = {
        "name": plan.site.prefix,
        "services": {item.container: _service(item, plan) for item in plan.instances.values()},
        "networks": {
            network.name: {
                "name": network.name,
                "internal": network.internal,
                "enable_ipv6": False,
                "ipam": {"config": [{"subnet": network.subnet.cidr, "gateway": network.subnet.gateway}]},
            }
            for network in plan.networks.values()
        },
        "volumes": {volume.name: {"name": volume.name} for volume in plan.volumes.values()},
        "secrets": {
            name: {"file": f"./secrets/{name.removeprefix(plan.site.prefix + '-')}"}
            for name in sorted({secret.name for item in plan.instances.values() for secret in item.secrets})
        },
    }
    return HEADER + to_yaml(document)


def to_yaml(value: Any, *, indent: int = 0) -> str:
    """Return tables, lists, strings, whole numbers and booleans as block YAML."""
    pad = "  " * indent
    lines: list[str] = []
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for key, item in items:
        head = f"{pad}{_plain(key)}:" if key is not None else f"{pad}-"
        if isinstance(item, dict | list | tuple):
            if not item:
                lines.append(f"{head} {{}}\n" if isinstance(item, dict) else f"{head} []\n")
                continue
            lines.append(f"{head}\n{to_yaml(item, indent=indent + 1)}")
        else:
            lines.append(f"{head} {json.dumps(item, ensure_ascii=False)}\n")
    return "".join(lines)


def _plain(key: str) -> str:
    simple = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", key) is not None
    # YAML 1.1 reads some bare words as truth values.
    simple = simple and key.lower() not in {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
    return key if simple else json.dumps(key, ensure_ascii=False)


def _service(instance: Instance, plan: Plan) -> dict[str, Any]:
    definition = instance.definition
    security = definition.security
    found: dict[str, Any] = {
        "image": instance.image,
        "container_name": instance.container,
        "hostname": definition.name,
        "user": f"{instance.uid}:{instance.uid}",
        "command": [word.replace("$", "$$") for word in instance.command],
        "read_only": security.read_only_root,
        "cap_drop": ["ALL"],
        "cap_add": list(security.capabilities),
        "security_opt": ["no-new-privileges", *(["systempaths=unconfined"] if security.unmask else [])],
        "environment": {name: value.replace("$", "$$") for name, value in instance.environment.items()},
        "dns": ["127.0.0.1"],
        "extra_hosts": [f"{name}:{address}" for name, address in sorted(instance.hosts.items())],
        "sysctls": {"net.ipv6.conf.all.disable_ipv6": "1"},
        "volumes": _volumes(instance),
        "tmpfs": [
            f"{item.target}:size={item.size_mib}m,uid={instance.uid},gid={instance.uid},mode=0700,noexec"
            for item in definition.tmpfs
        ],
        "secrets": [
            {
                "source": secret.name,
                "target": secret.target.removeprefix(SECRETS_FOLDER + "/"),
                "uid": str(instance.uid),
                "gid": str(instance.uid),
                "mode": "0400",
            }
            for secret in instance.secrets
        ],
        "ports": [
            f"{publish.address}:{publish.port}:{definition.ports[publish.to]}/tcp" for publish in definition.publish
        ],
        "depends_on": _depends(instance, plan),
        "mem_limit": f"{definition.limits.memory_mib}m",
        "pids_limit": definition.limits.tasks,
        "restart": "always" if definition.kind == "service" else "no",
        "stop_signal": definition.stop_signal,
        "stop_grace_period": f"{definition.stop_timeout_s}s",
    }
    if instance.attachments:
        found["networks"] = {
            item.network.name: {"ipv4_address": item.address, "mac_address": item.mac} for item in instance.attachments
        }
    else:
        found["network_mode"] = "none"
    if definition.health:
        found["healthcheck"] = {
            "test": ["CMD", *(word.replace("$", "$$") for word in instance.health)],
            "interval": f"{definition.health.interval_s}s",
            "timeout": f"{definition.health.timeout_s}s",
            "retries": definition.health.retries,
            "start_period": f"{definition.health.start_deadline_s}s",
        }
    return {key: value for key, value in found.items() if value not in ([], {})}


def _volumes(instance: Instance) -> list[dict[str, Any]]:
    files = [
        {"type": "bind", "source": f"./{file.source}", "target": file.target, "read_only": True}
        for file in instance.definition.files
    ]
    volumes = [
        {
            "type": "volume",
            "source": volume.name,
            "target": volume.target,
            "read_only": volume.read_only,
            "volume": {"nocopy": True},
        }
        for volume in instance.volumes
    ]
    return files + volumes


def _depends(instance: Instance, plan: Plan) -> dict[str, Any]:
    conditions = {"service": "service_healthy", "job": "service_completed_successfully"}
    before = [plan.instances[name] for name in sorted(instance.definition.after)]
    return {item.container: {"condition": conditions[item.definition.kind]} for item in before}
