"""podman, as we use it: one runner, objects found by our labels, answers as plain records.

Contract: only objects with the label `skerry.state=<state root>` are ours, and only those are ever changed or removed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from skerry.base import process
from skerry.base.errors import ProcessError
from skerry.base.paths import write_atomic
from skerry.host.machine import Machine, podman_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from skerry.host.settings import HostSettings
    from skerry.host.state import State

LABEL_STATE = "skerry.state"
LABEL_INSTANCE = "skerry.instance"
LABEL_DIGEST = "skerry.digest"
LABEL_LEVEL = "skerry.level"
LABEL_HOLDS = "skerry.holds"
LABEL_VERSION = "skerry.version"
DEADLINE_S = 120.0


@dataclass(frozen=True)
class Container:
    """What podman knows of one container."""

    name: str
    status: str
    exit_code: int
    pid: int
    restarts: int
    started_at: str
    finished_at: str
    image: str
    networks: frozenset[str]
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.status == "running"


@dataclass(frozen=True)
class NetworkRecord:
    """What podman knows of one network."""

    name: str
    subnets: tuple[str, ...]
    internal: bool
    interface: str
    labels: Mapping[str, str] = field(default_factory=dict)


class Podman:
    """Runs podman with this host's settings."""

    def __init__(self, environment: Mapping[str, str], *, state_label: str) -> None:
        self._environment = dict(environment)
        self._state_label = state_label

    @property
    def labels(self) -> dict[str, str]:
        """The label by which an object is ours."""
        return {LABEL_STATE: self._state_label}

    def run(
        self, words: Sequence[str], *, check: bool = True, deadline_s: float = DEADLINE_S, log: IO[bytes] | None = None
    ) -> process.Completed:
        """Run one podman command; errors as for base.process.run."""
        return process.run(["podman", *words], env=self._environment, check=check, deadline_s=deadline_s, log=log)

    def read(self, words: Sequence[str]) -> Any:
        """Run a command that answers JSON and return the answer; None stands for an empty one."""
        return json.loads(self.run(words).stdout or "null")

    def containers(self) -> dict[str, Container]:
        """Return our containers by name, whatever their state."""
        return {item.name: item for item in self._inspect_all(["--filter", self._filter()])}

    def container(self, name: str) -> Container | None:
        """Return one container by name, ours or not; None when there is none."""
        return next(iter(self._inspect([name])), None)

    def foreign_containers(self, prefix: str) -> list[Container]:
        """Return containers that are not ours but carry our label's name or our prefix."""
        listed = self.read(["ps", "--all", "--format=json"]) or []
        names = [
            item["Names"][0]
            for item in listed
            if (item.get("Labels") or {}).get(LABEL_STATE) != self._state_label
            and (LABEL_STATE in (item.get("Labels") or {}) or item["Names"][0].startswith(f"{prefix}-"))
        ]
        return self._inspect(names)

    def networks(self) -> dict[str, NetworkRecord]:
        """Return our networks by name."""
        return {
            name: record
            for name, record in self.all_networks().items()
            if record.labels.get(LABEL_STATE) == self._state_label
        }

    def all_networks(self) -> dict[str, NetworkRecord]:
        """Return every network of podman by name."""
        records = self.read(["network", "ls", "--format=json"]) or []
        return {
            item["name"]: NetworkRecord(
                name=item["name"],
                subnets=tuple(part["subnet"] for part in item.get("subnets") or ()),
                internal=bool(item.get("internal")),
                interface=item.get("network_interface", ""),
                labels=item.get("labels") or {},
            )
            for item in records
        }

    def volumes(self) -> frozenset[str]:
        """Return the names of our volumes."""
        done = self.run(["volume", "ls", "--quiet", "--filter", self._filter()])
        return frozenset(done.stdout.split())

    def secrets(self) -> dict[str, str]:
        """Return our secrets by name, each with the version we labelled it with."""
        names = self.run(["secret", "ls", "--format={{.Name}}"]).stdout.split()
        records = self.read(["secret", "inspect", *names]) if names else []
        labels = {item["Spec"]["Name"]: item["Spec"].get("Labels") or {} for item in records}
        return {
            name: found.get(LABEL_VERSION, "")
            for name, found in labels.items()
            if found.get(LABEL_STATE) == self._state_label
        }

    def has_image(self, reference: str) -> bool:
        """Say whether an image is in the storage."""
        return self.run(["image", "exists", reference], check=False).status == 0

    def image_ids(self) -> dict[str, str]:
        """Return the id of every image that has a name, by its reference."""
        done = self.run(["images", "--no-trunc", "--format={{.Repository}}:{{.Tag}} {{.ID}}"])
        return dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line.strip())

    def exec(self, container: str, words: Sequence[str], *, deadline_s: float) -> process.Completed:
        """Run a program in a container; a deadline that passes is exit status 124."""
        try:
            return self.run(["exec", container, *words], check=False, deadline_s=deadline_s)
        except ProcessError as error:
            if error.code != "process.deadline":
                raise
            return process.Completed(124, "", f"no answer within {deadline_s:.0f} s")

    def _filter(self) -> str:
        return f"label={LABEL_STATE}={self._state_label}"

    def _inspect_all(self, filters: Sequence[str]) -> list[Container]:
        done = self.run(["ps", "--all", "--format={{.Names}}", *filters])
        return self._inspect(done.stdout.split())

    def _inspect(self, names: Sequence[str]) -> list[Container]:
        if not names:
            return []
        done = self.run(["container", "inspect", *names], check=False)
        # One that went away between the two commands is an error on stderr; the others are in the answer.
        return [_container(item) for item in json.loads(done.stdout or "[]")]


def _container(item: dict[str, Any]) -> Container:
    state = item["State"]
    return Container(
        name=item["Name"],
        status=state["Status"],
        exit_code=int(state.get("ExitCode", 0)),
        pid=int(state.get("Pid", 0)),
        restarts=int(item.get("RestartCount", 0)),
        started_at=state.get("StartedAt", ""),
        finished_at=state.get("FinishedAt", ""),
        image=item.get("ImageName", ""),
        networks=frozenset((item.get("NetworkSettings", {}).get("Networks") or {}).keys()),
        labels=item.get("Config", {}).get("Labels") or {},
    )


def open_podman(state: State, settings: HostSettings, *, machine: Machine | None = None) -> Podman:
    """Return podman with what this host needs: our containers.conf only where something is missing.

    Settings that somebody named in CONTAINERS_CONF are used as they are.
    """
    environment: dict[str, str] = {}
    if not settings.containers_conf:
        text = podman_settings(machine or Machine())
        if text:
            write_atomic(state.containers_conf, text.encode())
            environment["CONTAINERS_CONF"] = str(state.containers_conf)
        else:
            state.containers_conf.unlink(missing_ok=True)
    return Podman(environment, state_label=str(state.root))
