"""An organisation with an agent, a queue and executions, made by the product's own services on a real PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis.asyncio import Redis

from skerry.agents import service as agents
from skerry.agents.schemas import AgentCreate
from skerry.auth.principal import Principal
from skerry.base import clock
from skerry.base.catalog import read_models
from skerry.base.paths import find_checkout
from skerry.environments import service as environments
from skerry.executions import service as executions
from skerry.executions.schemas import AgentExecutionRequest
from skerry.kit.bell import Bell
from skerry.kit.ids import new_id
from skerry.models.catalog import Catalog
from skerry.organizations import service as organizations
from skerry.steps import service as steps
from skerry.steps.schemas import TurnResult, WantedCall

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import Database, ReadSession
    from skerry.record.events import RunKey

CATALOG = Catalog(read_models(find_checkout().catalog), clock.now())
NOBODY_PORT = 1


@dataclass(frozen=True)
class House:
    """An organisation that can run things."""

    database: Database
    principal: Principal
    agent_id: UUID
    queue_id: UUID

    @property
    def organization_id(self) -> UUID:
        return self.principal.organization_id

    async def submit(self, prompt: str = "Look.") -> UUID:
        """Submit an execution the way the endpoint does."""
        body = AgentExecutionRequest(prompt=prompt)
        async with self.database.tenant_transaction(self.organization_id) as session:
            plan = await executions.plan(session, self.organization_id, self.agent_id, body, catalog=CATALOG)
            return await executions.submit(session, self.principal, body, plan)

    async def started(self) -> UUID:
        """Submit an execution and begin it."""
        execution_id = await self.submit()
        async with self.database.tenant_transaction(self.organization_id) as session:
            assert await executions.begin(session, self.organization_id, execution_id)
        return execution_id

    async def open(self, session: ReadSession, execution_id: UUID) -> tuple[RunKey, RowMapping]:
        """Open an execution the way a worker's route does."""
        return await steps.open_run(session, self.organization_id, execution_id, queue_id=self.queue_id)


async def make_house(database: Database, slug: str) -> House:
    """Make an organisation with one agent and one queue."""
    async with database.platform_transaction("bootstrap") as session:
        row, _ = await organizations.ensure(session, slug=slug, name=slug)
    organization_id = row["organization_id"]
    principal = Principal(
        kind="user",
        organization_id=organization_id,
        organization=slug,
        organization_name=slug,
        token_id=new_id(),
        name="tester",
    )
    async with database.tenant_transaction(organization_id) as session:
        queue = await environments.ensure_queue(session, organization_id)
        agent = await agents.create_agent(session, principal, AgentCreate(name="reader"), catalog=CATALOG)
    return House(database, principal, agent["id"], queue["id"])


def lone_bell() -> Bell:
    """Return a bell that rings in this process only: its Redis does not exist."""
    return Bell(Redis(host="127.0.0.1", port=NOBODY_PORT, socket_connect_timeout=0.1))


def turn_result(content: str = "", *calls: tuple[str, str], attempt: int = 1) -> TurnResult:
    """Return what a worker hands in for a turn."""
    return TurnResult(
        attempt=attempt,
        chunks=0,
        content=content,
        tool_calls=[WantedCall(name=name, arguments=arguments) for name, arguments in calls],
        finish_reason="stop",
        model="skerry/smoke",
        prompt_tokens=10,
        completion_tokens=5,
        first_token_us=1000,
        total_us=2000,
    )
