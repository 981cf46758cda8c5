"""The API as a process of the test's own, beside PostgreSQL and OPA in containers: what no request can do without."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess  # noqa: TID251  a server that is watched and signalled, not a program that is run to its end
import sys
import time
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from tests.integration.built import built_image
from tests.integration.postgres import free_port

from skerry import bootstrap
from skerry.base import clock
from skerry.base.paths import find_checkout
from skerry.base.process import run
from skerry.organizations import service as organizations
from skerry.stack.template import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path
    from uuid import UUID

    from tests.integration.postgres import Server

START_DEADLINE_S = 60.0
PAUSE_S = 0.1


@dataclass(frozen=True)
class Opa:
    """OPA with the product's policies in a container."""

    name: str
    url: str

    def podman(self, verb: str) -> None:
        """Run `podman stop|start|pause|unpause NAME`."""
        run(["podman", verb, *(["--time=2"] if verb == "stop" else []), self.name])

    def wait(self) -> None:
        """Return when it answers."""
        wait_for(f"{self.url}/health")


@dataclass
class Api:
    """A running API."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def ask(self, method: str, path: str, *, key: str | None = None, **options: Any) -> httpx.Response:
        """Return the answer to one request."""
        headers = {**options.pop("headers", {}), **({"authorization": f"Bearer {key}"} if key else {})}
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as client:
            return client.request(method, path, headers=headers, **options)

    def lines(self) -> list[dict[str, Any]]:
        """Return what it logged; every line must be JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self, *, deadline_s: float = 30.0) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(deadline_s)


@dataclass(frozen=True)
class Tenant:
    """An organisation with an administrator's key."""

    organization_id: UUID
    slug: str
    key: str
    user_id: UUID
    queue_id: UUID


def inside(server: Server, work: Callable[[bootstrap.House], Coroutine[Any, Any, Any]]) -> Any:
    """Run `work` with a house of its own, as bootstrap does."""

    async def go() -> Any:
        async with bootstrap.opened(server.settings) as house:
            return await work(house)

    return asyncio.run(go())


def make_tenant(server: Server, slug: str) -> Tenant:
    """Make an organisation as bootstrap does, without its namespace: Temporal has no part in these tests."""

    async def go(house: bootstrap.House) -> Tenant:
        async with house.database.platform_transaction("bootstrap") as session:
            organization, _ = await organizations.ensure(session, slug=slug, name=slug)
        organization_id = organization["organization_id"]
        async with house.database.tenant_transaction(organization_id) as session:
            made = await bootstrap.make_rows(
                house, session, organization, email=f"ada@{slug}.test", queue="default", new_key=True
            )
        from_text = type(organization_id)
        return Tenant(
            organization_id,
            slug,
            made["api_key"]["token"],
            from_text(made["administrator"]["id"]),
            from_text(made["worker_queue"]["id"]),
        )

    tenant: Tenant = inside(server, go)
    return tenant


def wait_for(url: str, *, deadline_s: float = START_DEADLINE_S) -> None:
    """Return when `url` answers anything."""
    end = clock.monotonic() + deadline_s
    while True:
        try:
            httpx.get(url, timeout=2, trust_env=False)
        except httpx.HTTPError:
            if clock.monotonic() > end:
                raise
            time.sleep(PAUSE_S)
        else:
            return


@contextmanager
def running_opa(server: Server, folder: Path) -> Iterator[Opa]:
    """Run the product's OPA with its own command line, policies and configuration."""
    checkout = find_checkout()
    service = tomllib.loads((checkout.services / "opa.toml").read_text())
    tokens = folder / "opa-tokens.json"
    token = server.settings.secrets.text("opa-token")
    text = (checkout.config / "opa" / "tokens.json.in").read_text()
    tokens.write_text(fill(text, {"opa-token": token, "opa-management-token": token[::-1]}, where="opa-tokens"))
    tokens.chmod(0o444)
    port = free_port()
    command = [word.replace("0.0.0.0:8181", f"127.0.0.1:{port}") for word in service["command"]]
    opa = Opa(f"coretest-opa-{port}", f"http://127.0.0.1:{port}")
    uid = tomllib.loads(checkout.release.read_text())["uids"]["opa"]
    try:
        run(
            [
                *("podman", "run", "--detach", "--pull=never", f"--name={opa.name}", "--network=host"),
                *(f"--user={uid}", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"),
                f"--volume={checkout.policies}:/policies:ro",
                f"--volume={checkout.config / 'opa'}:/etc/opa:ro",
                f"--volume={tokens}:/run/secrets/opa-tokens.json:ro",
                *(built_image("opa"), *command),
            ]
        )
        opa.wait()
        yield opa
    finally:
        run(["podman", "rm", "--force", "--time=0", opa.name], check=False)


@contextmanager
def running_api(server: Server, folder: Path, *, opa_url: str) -> Iterator[Api]:
    """Run `python -m skerry.app`; everything but PostgreSQL and OPA is at addresses where nobody listens."""
    port, nobody = free_port(), "127.0.0.1:9"
    environment = {
        "SKERRY_SECRETS_DIR": str(server.settings.secrets.folder),
        "SKERRY_LISTEN": f"127.0.0.1:{port}",
        "SKERRY_DATABASE_HOST": str(server.settings.database),
        "SKERRY_OPA_URL": opa_url,
        "SKERRY_VALKEY_HOST": nobody,
        "SKERRY_TEMPORAL_ADDRESS": nobody,
        "SKERRY_S3_ENDPOINT": nobody,
        "SKERRY_LLM_URL": f"http://{nobody}",
        "SKERRY_MODEL_CATALOG": str(find_checkout().catalog),
        "PYTHONPATH": str(find_checkout().root / "src"),
        "PATH": "/usr/bin:/bin",
    }
    log = folder / f"api-{port}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "skerry.app"],
            env=environment,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        api = Api(f"http://127.0.0.1:{port}", process, log)
        try:
            wait_for(f"{api.url}/.well-known/jwks.json")
            yield api
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(10)
