"""A small valid appliance as tables, for tests to break in one place."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from skerry.stack.appliance import Appliance
from skerry.stack.checks import check_all
from skerry.stack.definition import Definition, parse_definition
from skerry.stack.plan import Plan, Pool, Site, make_plan
from skerry.stack.release import parse_release
from skerry.stack.secrets import parse_secrets

if TYPE_CHECKING:
    from pathlib import Path

POOL = Pool("00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-0000000000aa", slot=0)
OTHER_POOL = Pool("00000000-0000-7000-8000-000000000002", "00000000-0000-7000-8000-0000000000aa", slot=1)

RELEASE: dict[str, Any] = {
    "product": {"name": "skerry", "version": "0.1.0", "source_date_epoch": 1, "licence": "Apache-2.0"},
    "debian": {"suite": "trixie", "architecture": "amd64"},
    "toolchain": {"go": "1.26.8", "cpu": "x86-64-v3"},
    "uids": {"store": 2101, "prepare": 2102, "front": 2103, "worker": 2104},
}
SECRETS: dict[str, Any] = {
    "store-key": {"kind": "random", "about": "opens the store"},
    "store-config": {
        "kind": "rendered",
        "about": "configuration",
        "template": "appliance/config/store.in",
        "holds": ["store-key"],
    },
    "worker-${queue_id}": {"kind": "enrolled", "about": "a pool's key"},
}
LIMITS = {"memory_mib": 64}
SERVICES: dict[str, dict[str, Any]] = {
    "store": {
        "kind": "service",
        "about": "keeps things",
        "image": "store",
        "uid": "store",
        "command": ["store", "--name=${site_name}"],
        "ports": {"main": 7000},
        "files": [{"source": "appliance/config/store.toml", "target": "/etc/store.toml"}],
        "volumes": [{"name": "store", "target": "/data"}],
        "tmpfs": [{"target": "/tmp", "size_mib": 8}],  # noqa: S108  inside a container
        "secrets": [{"name": "store-config", "target": "/run/secrets/config"}],
        "health": {"command": ["store", "health"]},
        "limits": LIMITS,
    },
    "prepare": {
        "kind": "job",
        "about": "prepares the store",
        "image": "store",
        "uid": "prepare",
        "after": ["store"],
        "reaches": ["store"],
        "limits": LIMITS,
    },
    "front": {
        "kind": "service",
        "about": "lets people in",
        "image": "front",
        "uid": "front",
        "after": ["prepare"],
        "reaches": ["store"],
        "ports": {"main": 8443},
        "publish": [{"port": 443, "to": "main", "address": "0.0.0.0"}],  # noqa: S104  the edge
        "volumes": [{"name": "store", "target": "/data", "read_only": True}],
        "health": {"command": ["front", "health"]},
        "limits": LIMITS,
    },
    "worker": {
        "kind": "service",
        "about": "works",
        "image": "front",
        "uid": "worker",
        "instances": "pool",
        "after": ["front"],
        "reaches": ["front", "store"],
        "environment": {"QUEUE": "${queue_id}", "PRICE": "$$1"},
        "secrets": [{"name": "worker-${queue_id}", "target": "/run/secrets/worker-key"}],
        "security": {"userns": "pool", "unmask": True, "capabilities": ["NET_BIND_SERVICE"]},
        "health": {"command": ["worker", "health"]},
        "limits": LIMITS,
    },
}
FILES = {
    "appliance/config/store.in": "key = ${store-key}\nname = ${site_name}\n",
    "appliance/config/store.toml": "",
    "images/store/image.toml": "",
    "images/front/image.toml": "",
}


@dataclass
class Example:
    """The tables, to be changed, and the checks over them."""

    root: Path
    services: dict[str, dict[str, Any]] = field(default_factory=lambda: copy.deepcopy(SERVICES))
    secrets: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(SECRETS))
    release: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(RELEASE))

    def __post_init__(self) -> None:
        for path, text in FILES.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)

    def definitions(self) -> dict[str, Definition]:
        return {
            name: parse_definition(table, name=name, file=f"appliance/services/{name}.toml")
            for name, table in sorted(self.services.items())
        }

    def appliance(self) -> Appliance:
        """Parse and check everything."""
        release = parse_release(self.release, file="appliance/release.toml")
        secrets = parse_secrets(self.secrets, file="appliance/secrets.toml")
        definitions = self.definitions()
        check_all(definitions, secrets, release=release, root=self.root)
        return Appliance(release, definitions, secrets)

    def plan(self, *pools: Pool, site: Site | None = None) -> Plan:
        images = {"store": "localhost/skerry/store:1", "front": "localhost/skerry/front:1"}
        return make_plan(self.appliance(), site=site or Site(), images=images, pools=pools)
