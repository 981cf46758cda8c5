"""Two hundred streams opened at once, of one execution and of as many: all are served, and so is everybody else."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest
from tests.integration.core import Api, Tenant, inside, make_tenant, running_api, running_opa
from tests.integration.postgres import Server, running_postgres
from tests.integration.runs import CATALOG

from skerry.agents import service as agents
from skerry.agents.schemas import AgentCreate
from skerry.auth.principal import Principal
from skerry.executions import service as executions
from skerry.executions.schemas import AgentExecutionRequest
from skerry.kit.ids import new_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from uuid import UUID

    from skerry import bootstrap

pytestmark = pytest.mark.integration

log = logging.getLogger(__name__)

STREAMS: Final = 200
OPEN_WITHIN_S: Final = 50.0
END_WITHIN_S: Final = 20.0
OTHERS_WITHIN_S: Final = 4.0
"""What any other request takes at most meanwhile; one that waits for a connection in vain is refused after five."""
POOL: Final = 20
"""Connections of the API as role app: ten, and ten more when all are taken."""


@dataclass(frozen=True)
class Site:
    """The API with its core, and a tenant on it."""

    server: Server
    api: Api
    tenant: Tenant


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    secrets, folder = tmp_path_factory.mktemp("secrets"), tmp_path_factory.mktemp("folder")
    with (
        running_postgres(secrets) as server,
        running_opa(server, folder) as opa,
        running_api(server, folder, opa_url=opa.url) as api,
    ):
        yield Site(server, api, make_tenant(server, "acme"))


def begun(site: Site, count: int) -> list[UUID]:
    """Return new executions that run."""
    tenant = site.tenant

    async def go(house: bootstrap.House) -> list[UUID]:
        principal = Principal(
            kind="user",
            organization_id=tenant.organization_id,
            organization=tenant.slug,
            organization_name=tenant.slug,
            token_id=new_id(),
            name="tester",
        )
        async with house.database.tenant_transaction(tenant.organization_id) as session:
            agent = await agents.create_agent(session, principal, AgentCreate(name=f"a{new_id()}"), catalog=CATALOG)
        body = AgentExecutionRequest(prompt="Look.")
        async with house.database.tenant_transaction(tenant.organization_id) as session:
            plan = await executions.plan(session, tenant.organization_id, agent["id"], body, catalog=CATALOG)
            made = [await executions.submit(session, principal, body, plan) for _ in range(count)]
            for execution_id in made:
                assert await executions.begin(session, tenant.organization_id, execution_id)
        return made

    found: list[UUID] = inside(site.server, go)
    return found


def end(site: Site, runs: list[UUID]) -> None:
    """End executions as their workflows would, but all at once."""

    async def go(house: bootstrap.House) -> None:
        async with house.database.tenant_transaction(site.tenant.organization_id) as session:
            for execution_id in runs:
                await executions.finish(session, site.tenant.organization_id, execution_id, code="")

    inside(site.server, go)


class Stream:
    """One connection that follows an execution; plain sockets, so that the client costs little."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.said = b""

    @classmethod
    async def open(cls, site: Site, path: str) -> Stream:
        host, _, port = site.api.url.removeprefix("http://").partition(":")
        stream = cls(*await asyncio.open_connection(host, int(port)))
        words = [f"GET {path} HTTP/1.1", f"host: {host}", f"authorization: Bearer {site.tenant.key}", "", ""]
        stream._writer.write("\r\n".join(words).encode())
        return stream

    async def until(self, mark: bytes) -> None:
        while mark not in self.said:
            piece = await self._reader.read(65536)
            assert piece, self.said[-500:]
            self.said += piece

    def close(self) -> None:
        self._writer.close()


async def others(site: Site, stop: asyncio.Event) -> list[tuple[int, float]]:
    """Ask for something else over and over; return each answer's status and time."""
    found = []
    while not stop.is_set():
        begin = time.monotonic()
        answer = await asyncio.to_thread(site.api.ask, "GET", "/api/v1/auth/validate", key=site.tenant.key)
        found.append((answer.status_code, time.monotonic() - begin))
        await asyncio.sleep(0.1)
    return found


def connections(site: Site) -> int:
    """Return how many connections the API has as role app."""
    statement = "select count(*) from pg_stat_activity where application_name = 'skerry-api' and usename = 'skerry_app'"
    with site.server.connect("postgres", "postgres-superuser", "postgres") as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
async def elsewhere(site: Site) -> AsyncIterator[list[tuple[int, float]]]:
    """Give what else is answered while the test runs, complete when it is over."""
    stop = asyncio.Event()
    found: list[tuple[int, float]] = []

    async def keep() -> None:
        found.extend(await others(site, stop))

    asking = asyncio.create_task(keep())
    yield found
    stop.set()
    await asking
    assert {status for status, _ in found} == {200}
    assert max(seconds for _, seconds in found) < OTHERS_WITHIN_S


@pytest.mark.parametrize("runs", [1, STREAMS])
@pytest.mark.usefixtures("elsewhere")
async def test_two_hundred_streams_at_once(site: Site, runs: int) -> None:
    of = await asyncio.to_thread(begun, site, runs)
    paths = [f"/api/v1/executions/{of[number % runs]}/stream" for number in range(STREAMS)]
    streams: list[Stream] = []
    try:
        begin = time.monotonic()
        async with asyncio.timeout(OPEN_WITHIN_S):
            streams = list(await asyncio.gather(*(Stream.open(site, path) for path in paths)))
            await asyncio.gather(*(stream.until(b"event: history_complete") for stream in streams))
        opened = time.monotonic() - begin
        # Held open for a while: every one of them looks for news at least once a second.
        await asyncio.sleep(5)
        assert await asyncio.to_thread(connections, site) <= POOL
        await asyncio.to_thread(end, site, of)
        begin = time.monotonic()
        async with asyncio.timeout(END_WITHIN_S):
            await asyncio.gather(*(stream.until(b"event: done") for stream in streams))
        ended = time.monotonic() - begin
        log.info("%d executions: opened in %.1f s, ended in %.1f s", runs, opened, ended)
    finally:
        for stream in streams:
            stream.close()
    assert all(stream.said.count(b"event: done") == 1 for stream in streams)
