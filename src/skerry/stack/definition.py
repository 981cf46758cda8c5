"""What one file of appliance/services/ says: a service or a job, as frozen objects.

Contract: these types are the validator; appliance/schema/service.schema.json is generated from them. What concerns one
file alone is checked here; what concerns several (unknown names, cycles, ports) in checks.py. Times are in seconds,
sizes in MiB.

Variables `${...}` may stand in `command`, `health.command`, `[environment]` values and the names of secrets:
    ${site_name}          the DNS name under which people reach the edge
    ${queue_id}           instances = "pool" only: UUID of the pool's task queue
    ${organization_id}    the same: UUID of its organisation
A literal dollar sign is written `$$`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from skerry.base.errors import InvalidInputError
from skerry.stack.parse import Place, Rules, parse, read_toml

if TYPE_CHECKING:
    from pathlib import Path

NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
NAME_CHARS_MAX = 40
ABSOLUTE = r"/[A-Za-z0-9._@/-]*"
RELATIVE = r"(?!.*(^|/)\.\.(/|$))[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*"
VARIABLE = r"[A-Z][A-Z0-9_]*"
SECRET = r"[a-z][a-z0-9]*(-([a-z0-9]+|\$\{queue_id\}))*"  # noqa: S105  the form of a name
ADDRESS = r"\d{1,3}(\.\d{1,3}){3}"
PORT_MAX = 65535

MADE = ("made/models",)
"""What the build makes (`[[files]]` with `made = true`): the model pack (skerry.bundle.pack)."""
POOL_VARIABLES = ("queue_id", "organization_id")


@dataclass(frozen=True)
class Publish:
    """A port of the host that leads into the container."""

    port: Annotated[int, Rules("port on the host", minimum=1, maximum=PORT_MAX)]
    to: Annotated[str, Rules("name of the port in [ports] it leads to", pattern=NAME)]
    address: Annotated[str, Rules("address of the host it is bound to", pattern=ADDRESS)] = "127.0.0.1"


@dataclass(frozen=True)
class File:
    """A file or folder without secrets, of the checkout or made by the build, mounted read-only."""

    source: Annotated[str, Rules("path in the checkout", pattern=RELATIVE)]
    target: Annotated[str, Rules("path in the container", pattern=ABSOLUTE)]
    made: Annotated[bool, Rules("the build makes it; no checkout holds it")] = False


@dataclass(frozen=True)
class Volume:
    """A named volume. Exactly one definition may write it; its uid owns it."""

    name: Annotated[str, Rules("name of the volume; podman's is skerry-<name>", pattern=NAME)]
    target: Annotated[str, Rules("path in the container", pattern=ABSOLUTE)]
    read_only: Annotated[bool, Rules("mounted without the right to write")] = False


@dataclass(frozen=True)
class Tmpfs:
    """A writable folder in memory, owned by the container's user, mode 0700."""

    target: Annotated[str, Rules("path in the container", pattern=ABSOLUTE)]
    size_mib: Annotated[int, Rules("largest size in MiB", minimum=1, maximum=65536)]


@dataclass(frozen=True)
class SecretMount:
    """A secret as a file: owned by the container's user, mode 0400; /run/secrets is a tmpfs of its own."""

    name: Annotated[
        str, Rules("name in appliance/secrets.toml, or worker-${queue_id} in a pool's instance", pattern=SECRET)
    ]
    target: Annotated[str, Rules("path in the container", pattern=r"/run/secrets/[A-Za-z0-9._-]+")]


@dataclass(frozen=True)
class Security:
    """Exceptions from the strict defaults; each needs a comment that says why."""

    read_only_root: Annotated[bool, Rules("the image's files cannot be written")] = True
    capabilities: Annotated[
        tuple[str, ...], Rules("capabilities kept; all others are dropped", pattern=r"[A-Z_]+")
    ] = ()
    unmask: Annotated[bool, Rules("/proc and /sys are not masked: nested sandboxes need it")] = False
    userns: Annotated[Literal["host", "pool"], Rules("`pool`: each instance has a user namespace of its own")] = "host"


@dataclass(frozen=True)
class Health:
    """A command run inside the container: exit status 0 means ready and well."""

    command: Annotated[tuple[str, ...], Rules("program and arguments, no shell", not_empty=True)]
    interval_s: Annotated[int, Rules("seconds between two runs", minimum=1, maximum=3600)] = 10
    timeout_s: Annotated[int, Rules("seconds a run may take", minimum=1, maximum=600)] = 5
    retries: Annotated[int, Rules("failures in a row that make it unhealthy", minimum=1, maximum=100)] = 3
    start_deadline_s: Annotated[int, Rules("seconds from start until it must be well", minimum=1, maximum=3600)] = 60


@dataclass(frozen=True)
class Limits:
    """What it may use of the host."""

    memory_mib: Annotated[int, Rules("memory in MiB, hard", minimum=8, maximum=1 << 22)]
    cpu_weight: Annotated[
        int, Rules("share of the processors against others (systemd CPUWeight)", minimum=1, maximum=10000)
    ] = 100
    tasks: Annotated[int, Rules("processes and threads", minimum=1, maximum=1 << 20)] = 512


@dataclass(frozen=True)
class Definition:
    """One service (runs until stopped) or job (runs to its end, and may be run again at any time)."""

    kind: Annotated[Literal["service", "job"], Rules("service: runs until stopped; job: runs to its end, repeatable")]
    about: Annotated[str, Rules("one line: what it is for", not_empty=True)]
    image: Annotated[str, Rules("folder of images/ it is made from", pattern=NAME)]
    uid: Annotated[str, Rules("key of [uids] in release.toml: its user, used by no other definition", pattern=NAME)]
    limits: Annotated[Limits, Rules("what it may use of the host")]
    command: Annotated[tuple[str, ...], Rules("program and arguments; the image's own when empty")] = ()
    instances: Annotated[Literal["one", "pool"], Rules("pool: one instance per enrolled worker pool")] = "one"
    after: Annotated[
        tuple[str, ...], Rules("definitions that must be ready (services) or done (jobs) before", pattern=NAME)
    ] = ()
    reaches: Annotated[tuple[str, ...], Rules("services it may open connections to", pattern=NAME)] = ()
    environment: Annotated[dict[str, str], Rules("variables without secrets", keys=VARIABLE)] = field(
        default_factory=dict
    )
    ports: Annotated[
        dict[str, int], Rules("TCP ports it listens on, by name", keys=NAME, minimum=1, maximum=PORT_MAX)
    ] = field(default_factory=dict)
    publish: Annotated[tuple[Publish, ...], Rules("ports of the host that lead in; only the edge has any")] = ()
    files: Annotated[tuple[File, ...], Rules("configuration without secrets")] = ()
    volumes: Annotated[tuple[Volume, ...], Rules("what it keeps")] = ()
    tmpfs: Annotated[tuple[Tmpfs, ...], Rules("where it may write and nothing is kept")] = ()
    secrets: Annotated[tuple[SecretMount, ...], Rules("secrets it may read")] = ()
    security: Security = field(default_factory=Security)
    health: Annotated[Health | None, Rules("how to see that it is well; services need it")] = None
    stop_signal: Annotated[str, Rules("signal that ends it in order", pattern=r"SIG[A-Z0-9]+")] = "SIGTERM"
    stop_timeout_s: Annotated[int, Rules("seconds until it is killed", minimum=1, maximum=600)] = 10
    name: str = ""
    file: str = ""


# Known from the file's path, not written in it.
GIVEN = ("name", "file")


def load_definition(path: Path, *, root: Path) -> Definition:
    """Return the definition in `path`, named after the file.

    Args:
        path: appliance/services/<name>.toml.
        root: the checkout, to which paths in messages are relative.

    Raises:
        InvalidInputError: `stack.no_file`, `stack.not_toml`, `stack.unknown_key`, `stack.missing_key`,
            `stack.wrong_type`, `stack.bad_value`, `stack.no_health`, `stack.job_shape`, `stack.pool_shape`,
            `stack.unknown_port`, `stack.two_mounts`.
    """
    file = str(path.relative_to(root))
    table = read_toml(path, name=file)
    return parse_definition(table, name=path.stem, file=file)


def parse_definition(table: dict[str, object], *, name: str, file: str) -> Definition:
    """Return a definition from its tables; errors as for `load_definition`."""
    place = Place(file)
    for given in GIVEN:
        if given in table:
            raise InvalidInputError(
                "stack.unknown_key", f"{place.inside(given)} is not a known key", "the file's path says it"
            )
    parse(_Name, {"name": name}, place)
    definition = parse(Definition, {**table, "name": name, "file": file}, place)
    _check_alone(definition, place)
    return definition


@dataclass(frozen=True)
class _Name:
    name: Annotated[str, Rules("name of the file", pattern=NAME)]


def _check_alone(definition: Definition, place: Place) -> None:
    if len(definition.name) > NAME_CHARS_MAX:
        raise _bad("bad_value", f"{place}: the name is too long", f"at most {NAME_CHARS_MAX} characters")
    if definition.kind == "service" and definition.health is None:
        raise _bad("no_health", f"{place.inside('health')} is missing", "a service says how to see that it is well")
    if definition.kind == "job" and (definition.health or definition.ports or definition.instances == "pool"):
        raise _bad("job_shape", f"{place} is a job with health, ports or instances", "a job only runs to its end")
    if (definition.security.userns == "pool") != (definition.instances == "pool"):
        raise _bad("pool_shape", f"{place}: instances and security.userns disagree", 'set both to "pool", or neither')
    for index, publish in enumerate(definition.publish):
        if publish.to not in definition.ports:
            here = place.inside("publish").at(index).inside("to")
            known = ", ".join(definition.ports) or "none"
            raise _bad("unknown_port", f"{here}: no port {publish.to!r} in [ports]", f"known: {known}")
    _check_targets(definition, place)


def _check_targets(definition: Definition, place: Place) -> None:
    groups: dict[str, tuple[File | Volume | Tmpfs | SecretMount, ...]] = {
        "files": definition.files,
        "volumes": definition.volumes,
        "tmpfs": definition.tmpfs,
        "secrets": definition.secrets,
    }
    taken: dict[str, str] = {}
    for key, mounts in groups.items():
        for index, mount in enumerate(mounts):
            here = place.inside(key).at(index).inside("target")
            if other := taken.get(mount.target):
                raise _bad("two_mounts", f"{here}: {mount.target} is taken by {other}", "choose another target")
            taken[mount.target] = f"{key}[{index}]"


def _bad(what: str, message: str, hint: str) -> InvalidInputError:
    return InvalidInputError(f"stack.{what}", message, hint)
