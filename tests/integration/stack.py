"""A running stack for tests: started by the product's own command, on a state root and under a name of its own.

Contract: one stack a test session (the ports and the machine's memory allow one). It starts from nothing and is gone
afterwards, also when a test was interrupted: what a killed session left behind is removed before the next one starts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess  # noqa: TID251  an up that is to be killed, not a program that is run to its end
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import jwt
import psycopg
from cryptography.hazmat.primitives.asymmetric import ec
from tests.integration.namespaces import in_network, network_of
from tests.integration.strays import alone

from skerry.auth.keys import make_signing_key, parse_host_key, unseal
from skerry.base import clock
from skerry.base.paths import find_checkout
from skerry.base.process import Completed, run
from skerry.host import local
from skerry.host.podman import open_podman
from skerry.host.pools import load_pools
from skerry.host.settings import read_settings
from skerry.host.state import State
from skerry.images.recipe import image_reference
from skerry.stack.appliance import load_appliance
from skerry.stack.plan import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from skerry.host.podman import Podman
    from skerry.stack.plan import Instance, Plan, Pool

T = TypeVar("T")
SigningKey = ec.EllipticCurvePrivateKey

ROOT = Path("/var/lib/skerry/test")
PREFIX = "skerry-test"
ADDRESSES = "10.214.0.0/16"
COMMAND_DEADLINE_S = 600.0
TOKEN_LIFE_S = 600
# The first `up` of the tests is killed when these run: while the cluster is made, and while both schemas are.
KILLED_AT = (("postgres",), ("temporal-schema", "migrate"))
KILL_DEADLINE_S = 90.0
KILL_POLL_S = 0.05
PARALLEL = 6
LISTEN = "0A"
UDP_UNCONNECTED = "07"


@dataclass(frozen=True)
class Stack:
    """One running stack, seen from the host."""

    state: State
    podman: Podman
    started: Completed
    bootstrapped: Completed
    _plans: dict[tuple[Pool, ...], Plan] = field(default_factory=dict)
    _pids: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def plan(self) -> Plan:
        """The plan as it is now: pools come and go."""
        pools = load_pools(self.state)
        if pools not in self._plans:
            self._plans[pools] = load_plan(self.state)
        return self._plans[pools]

    @property
    def site_name(self) -> str:
        return self.state.load_site().name

    @property
    def ca_certificate(self) -> Path:
        return self.state.ca_certificate

    def services(self, *, pools: bool = True) -> list[str]:
        """Return the names of all service instances, those of worker pools only if `pools`."""
        return [
            name
            for name, item in self.plan.instances.items()
            if item.definition.kind == "service" and (pools or item.pool is None)
        ]

    def instance(self, service: str) -> Instance:
        return self.plan.instances[service]

    def address(self, client: str, server: str) -> str:
        """Return the address at which `client` finds `server`."""
        return self.instance(client).hosts[server]

    def addresses(self, service: str) -> list[str]:
        """Return every address a service has."""
        return [item.address for item in self.instance(service).attachments]

    def gateways(self, service: str) -> list[str]:
        """Return the host's own address on every network a service is on."""
        return [item.network.subnet.gateway for item in self.instance(service).attachments]

    def published(self, port: str) -> int:
        """Return the host's port that leads to the edge's port `port`."""
        return next(item.port for item in self.instance("edge").definition.publish if item.to == port)

    def secret(self, name: str) -> str:
        return (self.state.secrets / name).read_text().strip()

    def container(self, service: str) -> str:
        return self.instance(service).container

    def pid(self, service: str) -> int:
        """Return the process id on the host of a container's first process; 0 when it does not run."""
        known = self._pids.get(service)
        # podman may name a process for a moment that has ended: such a one is never taken from here.
        if known is not None and known[1] and started(known[0]) == known[1]:
            return known[0]
        pid = int(self.podman.run(["inspect", "--format={{.State.Pid}}", self.container(service)]).stdout)
        self._pids[service] = (pid, started(pid))
        return pid

    def each(self, function: Callable[[str], T]) -> dict[str, T]:
        """Return what `function` returns for each service, several at a time: most of it is waiting."""
        names = self.services()
        with ThreadPoolExecutor(PARALLEL) as threads:
            return dict(zip(names, threads.map(function, names), strict=True))

    def pids(self, service: str) -> list[int]:
        """Return the process ids on the host of all processes in a container."""
        done = self.podman.run(["top", self.container(service), "hpid"])
        # `?` stands for one that ended while podman looked.
        return [int(line) for line in done.stdout.split()[1:] if line.isdigit()]

    @staticmethod
    def process_status(pid: int) -> dict[str, str]:
        """Return /proc/PID/status as a table."""
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def inside(self, service: str, *words: str, check: bool = True, deadline_s: float = 60.0) -> Completed:
        """Run a program inside a container."""
        return self.podman.run(["exec", self.container(service), *words], check=check, deadline_s=deadline_s)

    def call_from(self, service: str, function: Callable[[], T]) -> T:
        """Return what `function` returns when it runs with the network of a container."""
        return in_network(network_of(self.pid(service)), function)

    def listening(self, service: str, *, protocol: str = "tcp", loopback: bool = False) -> set[int]:
        """Return the ports that something in a container's network listens on, beyond loopback unless asked."""
        state = LISTEN if protocol == "tcp" else UDP_UNCONNECTED
        found = set()
        for table in (protocol, f"{protocol}6"):
            path = Path(f"/proc/{self.pid(service)}/net/{table}")
            for line in path.read_text().splitlines()[1:] if path.exists() else []:
                fields = line.split()
                address, _, port = fields[1].rpartition(":")
                if fields[3] == state and (loopback or not is_loopback(address)):
                    found.add(int(port, 16))
        return found

    def logs(self, service: str) -> str:
        """Return everything a container has written."""
        done = self.podman.run(["logs", self.container(service)])
        return done.stdout + done.stderr

    def command(self, *words: str, check: bool = True, deadline_s: float = COMMAND_DEADLINE_S) -> Completed:
        """Run `skerry WORDS` on this stack."""
        return skerry(*words, root=self.state.root, check=check, deadline_s=deadline_s)

    def status(self) -> dict[str, Any]:
        """Return what `skerry stack status` says, as data."""
        answer: dict[str, Any] = json.loads(self.command("stack", "status", "--json", check=False).stdout)
        return answer

    def mint(
        self, claims: dict[str, Any], *, own_key: bool = False, signer: tuple[str, SigningKey] | None = None
    ) -> str:
        """Return a token signed with the site's key (or one of the test's under the same name).

        Args:
            claims: over the usual ones; a claim that is None is left out.
            own_key: sign with a key that the site does not know.
            signer: sign with this key under this name.
        """
        kid, key = signer or self.signing_key
        now = int(time.time())
        usual = {
            "iss": "skerry",
            "sub": str(uuid.uuid5(uuid.NAMESPACE_DNS, "skerry.test")),
            "iat": now,
            "nbf": now,
            "exp": now + TOKEN_LIFE_S,
            "jti": str(uuid.uuid5(uuid.NAMESPACE_DNS, "token.skerry.test")),
        }
        whole = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        private = ec.generate_private_key(ec.SECP256R1()) if own_key else key
        return jwt.encode(whole, private, algorithm="ES256", headers={"kid": kid})

    def in_database(self, ask: Callable[[psycopg.Connection], T], *, database: str = "skerry") -> T:
        """Return what `ask` returns for a superuser's connection that stands where the API stands."""

        def connect() -> T:
            with psycopg.connect(
                host=self.address("api", "postgres"),
                user="postgres",
                password=self.secret("postgres-superuser"),
                dbname=database,
            ) as connection:
                return ask(connection)

        return self.call_from("api", connect)

    @cached_property
    def signing_key(self) -> tuple[str, SigningKey]:
        """Name and private part of the key that signs now."""
        statement = (
            "select kid, private_sealed from skerry.signing_keys where signs_from <= now()"
            " order by signs_from desc limit 1"
        )
        row = self.in_database(lambda one: one.execute(statement).fetchone())
        assert row is not None
        return row[0], unseal(bytes(row[1]), self._host_key, kid=row[0])

    def add_signing_key(self) -> tuple[str, SigningKey]:
        """Store a key that verifies from now on and signs from tomorrow on, as a rotation begins; return it."""
        row = make_signing_key(self._host_key)
        statement = (
            "insert into skerry.signing_keys (kid, algorithm, public_jwk, private_sealed, signs_from)"
            " values (%(kid)s, %(algorithm)s, %(public_jwk)s, %(private_sealed)s, now() + interval '1 day')"
        )
        self.in_database(lambda one: one.execute(statement, {**row, "public_jwk": json.dumps(row["public_jwk"])}))
        return row["kid"], unseal(row["private_sealed"], self._host_key, kid=row["kid"])

    @property
    def _host_key(self) -> bytes:
        return parse_host_key(self.secret("host-key").encode())


def started(pid: int) -> str:
    """Return when a process started, in the kernel's ticks; nothing when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def load_plan(state: State) -> Plan:
    """Return the plan of what is enrolled at `state`, with the images of this checkout."""
    checkout = find_checkout()
    names = {item.image for item in load_appliance(checkout).definitions.values()}
    return local.load_plan(checkout, state, images={name: image_reference(name) for name in sorted(names)})


@contextmanager
def running_stack(
    root: Path = ROOT, *, organization: str = "test", killed_at: Sequence[Sequence[str]] = ()
) -> Iterator[Stack]:
    """Start a stack with one organisation and one worker pool from nothing; remove it at the end.

    Args:
        root: of its state.
        organization: slug.
        killed_at: services whose containers all run when `up` is killed, once each, before the one that goes through.
    """
    # Two sessions at once would take each other's stack away: the second waits for the first to end.
    with alone():
        state = State(root)
        remove(state)
        try:
            state.make_folders()
            state.store_site(Site(prefix=PREFIX, addresses=ADDRESSES))
            for services in killed_at:
                kill_up(root, services)
            up = skerry("stack", "up", root=root)
            bootstrapped = skerry(
                "bootstrap", f"--organization={organization}", "--admin-email=admin@test.example", root=root
            )
            yield Stack(state, open_podman(state, read_settings()), up, bootstrapped)
        finally:
            remove(state)


def kill_up(root: Path, services: Sequence[str]) -> None:
    """Kill `up` when the containers of all `services` run."""
    environment, command = command_line("stack", "up", root=root)
    podman = open_podman(State(root), read_settings())
    names = [f"{PREFIX}-{name}" for name in services]
    end = clock.monotonic() + KILL_DEADLINE_S
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, env=environment, stderr=said) as child:
        try:
            while not are_running(podman, names):
                said.seek(0)
                assert child.poll() is None, said.read()
                assert clock.monotonic() < end, f"{names} were not seen running"
                time.sleep(KILL_POLL_S)
            assert child.poll() is None
        finally:
            child.kill()


def are_running(podman: Podman, names: Sequence[str]) -> bool:
    """Return whether all these containers run now; they may not be there yet."""
    done = podman.run(["inspect", "--type=container", "--format={{.State.Running}}", *names], check=False)
    return done.stdout.split() == ["true"] * len(names)


def remove(state: State) -> None:
    """Take a stack away with everything it kept; none is no error."""
    if state.root.exists():
        skerry("stack", "clean", "--yes", root=state.root)
        shutil.rmtree(state.root)


def is_loopback(address: str) -> bool:
    """Return whether an address of /proc/net (little-endian words in hexadecimal) is loopback."""
    if len(address) == len("0100007F"):
        return address.endswith("7F")
    return address == "0" * 24 + "01000000"


def skerry(*words: str, root: Path, check: bool = True, deadline_s: float = COMMAND_DEADLINE_S) -> Completed:
    """Run `skerry WORDS` with a state root."""
    environment, command = command_line(*words, root=root)
    return run(command, env=environment, check=check, deadline_s=deadline_s)


def command_line(*words: str, root: Path) -> tuple[dict[str, str], list[str]]:
    """Return the environment and the words of `skerry WORDS` with a state root."""
    environment = {**os.environ, "SKERRY_STATE": str(root), "PYTHONPATH": str(find_checkout().root / "src")}  # noqa: TID251  for the child
    return environment, [sys.executable, "-m", "skerry.cli.main", *words]
