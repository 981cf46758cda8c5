"""The product's PostgreSQL in a container of the test's own, on a loopback port, with its configuration and roles."""

from __future__ import annotations

import os
import secrets
import socket
import time
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg
from tests.integration.built import built_image

from skerry import database
from skerry.base import clock
from skerry.base.paths import find_checkout
from skerry.base.process import run
from skerry.kit.settings import Place, Settings, read_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRETS = (
    "postgres-superuser",
    "postgres-migrate",
    "postgres-backup",
    "postgres-app",
    "postgres-platform",
    "postgres-temporal",
    "host-key",
    "valkey-api",
    "minio-api",
    "opa-token",
)
START_DEADLINE_S = 60.0
PAUSE_S = 0.2


@dataclass(frozen=True)
class Server:
    """A running server: its container's name, and settings of a process that uses it."""

    name: str
    settings: Settings

    def podman(self, verb: str) -> None:
        """Run `podman stop|start|pause|unpause|kill NAME`."""
        run(["podman", verb, *(["--time=5"] if verb == "stop" else []), self.name])

    def is_running(self) -> bool:
        """Return whether the container runs."""
        return run(["podman", "inspect", "--format={{.State.Running}}", self.name]).stdout.strip() == "true"

    def connect(self, role: str, secret: str, name: str = "skerry") -> psycopg.Connection:
        """Return an autocommit connection as `role`."""
        place = self.settings.database
        password = self.settings.secrets.text(secret)
        return psycopg.connect(
            host=place.host, port=place.port, user=role, password=password, dbname=name, autocommit=True
        )

    def wait(self) -> None:
        """Return when the server takes connections."""
        end = clock.monotonic() + START_DEADLINE_S
        while True:
            try:
                self.connect("postgres", "postgres-superuser", "postgres").close()
            except psycopg.OperationalError:
                if clock.monotonic() > end or not self.is_running():
                    said = run(["podman", "logs", self.name], check=False)
                    raise AssertionError(f"{self.name}: {said.stdout[-2000:]}{said.stderr[-2000:]}") from None
                time.sleep(PAUSE_S)
            else:
                return


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_postgres(folder: Path, *, migrated: bool = True) -> Iterator[Server]:
    """Start a server with fresh secrets in `folder`, make roles and (when `migrated`) tables; remove it at the end."""
    for name in SECRETS:
        (folder / name).write_text(secrets.token_hex(32) + "\n")
    checkout = find_checkout()
    uid = tomllib.loads(checkout.release.read_text())["uids"]["postgres"]
    port = free_port()
    name = f"coretest-postgres-{port}"
    cluster = folder / "cluster"  # a folder, because a container that starts again finds its tmpfs empty
    cluster.mkdir()
    os.chown(cluster, uid, uid)
    superuser = folder / "postgres-superuser"
    superuser.chmod(0o444)  # the container's user is another one; the folder above is the test's alone
    settings = Settings(secrets=read_secrets(folder), database=Place("127.0.0.1", port), pool_size=5)
    server = Server(name, settings)
    try:
        run(
            [
                *("podman", "run", "--detach", "--pull=never", f"--name={name}", "--network=host", f"--user={uid}"),
                *("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"),
                f"--volume={cluster}:/cluster",
                *("--env=PGDATA=/cluster/data", "--tmpfs=/tmp:rw,mode=1777"),
                f"--volume={checkout.config / 'postgres'}:/etc/postgresql:ro",
                f"--volume={superuser}:/run/secrets/postgres-superuser:ro",
                *(built_image("postgres"), "postgres-serve", f"--port={port}"),
                *("--listen_addresses=127.0.0.1", "--unix_socket_directories=/tmp"),
            ]
        )
        server.wait()
        database.make_roles(settings)
        if migrated:
            database.migrate(settings)
        yield server
    finally:
        run(["podman", "rm", "--force", "--time=0", "--volumes", name], check=False)


def with_pool(settings: Settings, size: int) -> Settings:
    """Return `settings` with another size of the pools."""
    return replace(settings, pool_size=size)
