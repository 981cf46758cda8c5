"""POST and GET /api/v1/agents, GET /api/v1/agents/{agent_id}."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status

from skerry.agents import service
from skerry.agents.schemas import AgentCreate, AgentResponse
from skerry.authz.guard import Caller, guard
from skerry.kit.http import part
from skerry.kit.ids import parse_id
from skerry.models.catalog import Catalog

router = APIRouter(prefix="/api/v1/agents", tags=["agents"])


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_agent(
    request: Request, body: AgentCreate, caller: Annotated[Caller, Depends(guard("agents:create"))]
) -> AgentResponse:
    """Make an agent."""
    async with caller.write() as session:
        row = await service.create_agent(session, caller.principal, body, catalog=part(request, Catalog))
    return AgentResponse.of(row, caller.principal)


@router.get("")
async def list_agents(
    caller: Annotated[Caller, Depends(guard("agents:read"))],
    skip: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[AgentResponse]:
    """List agents, newest first."""
    async with caller.read() as session:
        rows = await service.list_agents(session, caller.principal.organization_id, skip=skip, limit=limit)
    return [AgentResponse.of(row, caller.principal) for row in rows]


@router.get("/{agent_id}")
async def get_agent(agent_id: str, caller: Annotated[Caller, Depends(guard("agents:read"))]) -> AgentResponse:
    """Read an agent; somebody else's is not found."""
    wanted = parse_id(agent_id, what="agent")
    async with caller.read() as session:
        row = await service.get_agent(session, caller.principal.organization_id, wanted)
    return AgentResponse.of(row, caller.principal)
