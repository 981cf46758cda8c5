"""POST /api/v1/agents/{agent_id}/execute, GET /api/v1/executions/{execution_id} and its stream."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from skerry.authz.guard import Caller, guard
from skerry.base.errors import InvalidInputError
from skerry.events.service import EventStreams
from skerry.executions import service
from skerry.executions.schemas import AgentExecutionRequest, AgentExecutionResponse, ExecutionResponse
from skerry.kit.http import part
from skerry.kit.ids import parse_id
from skerry.models.catalog import Catalog
from skerry.record.events import RunKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from skerry.events.presenter import Shown

router = APIRouter(prefix="/api/v1", tags=["executions"])

KEEPALIVE: Final = b": keep-alive\n\n"
STREAM_PATH: Final = re.compile(r"/api/v1/executions/[^/]+/stream")
STREAMS_AT_ONCE: Final = 6
"""So many streams are opened at a time: each takes a database connection twice, and the others have to have some."""
STREAM_HEADERS: Final = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}


@router.post("/agents/{agent_id}/execute")
async def execute_agent(
    request: Request,
    agent_id: str,
    body: AgentExecutionRequest,
    caller: Annotated[Caller, Depends(guard("agents:execute"))],
) -> AgentExecutionResponse:
    """Have an agent work on a prompt. Policy decides on what exactly will run before a row is written."""
    wanted = parse_id(agent_id, what="agent")
    organization_id = caller.principal.organization_id
    async with caller.read() as reading:
        plan = await service.plan(reading, organization_id, wanted, body, catalog=part(request, Catalog))
    await caller.require("agents:execute", plan.resource())
    async with caller.write() as session:
        execution_id = await service.submit(session, caller.principal, body, plan)
    return AgentExecutionResponse(
        execution_id=str(execution_id),
        workflow_id=service.workflow_id(execution_id),
        status="PENDING",
        message=f"{plan.agent['name']} starts on the queue {plan.queue['name']}",
    )


@router.get("/executions/{execution_id}")
async def get_execution(
    execution_id: str, caller: Annotated[Caller, Depends(guard("executions:read"))]
) -> ExecutionResponse:
    """Read an execution; somebody else's is not found."""
    wanted = parse_id(execution_id, what="execution")
    async with caller.read() as session:
        row = await service.get_execution(session, caller.principal.organization_id, wanted)
    return ExecutionResponse.of(row, organization=caller.principal.organization)


@router.get("/executions/{execution_id}/stream")
async def stream_execution(
    request: Request,
    execution_id: str,
    caller: Annotated[Caller, Depends(guard("executions:read"))],
    last_event_id: Annotated[str | None, Query()] = None,
    last_event_header: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> StreamingResponse:
    """Follow an execution as server-sent events; `Last-Event-ID` goes on after the event it names."""
    wanted = parse_id(execution_id, what="execution")
    resume_after = parse_event_id(last_event_header or last_event_id, wanted)
    async with caller.read() as session:
        row = await service.get_execution(session, caller.principal.organization_id, wanted)
        run = RunKey(caller.principal.organization_id, wanted, row["created_on"])
        opening = await EventStreams.open(session, run, resume_after)
    shown = part(request, EventStreams).stream(
        run, opening, organization=caller.principal.organization, status=row["status"]
    )
    return StreamingResponse(render(wanted, shown), media_type="text/event-stream", headers=STREAM_HEADERS)


async def render(execution_id: UUID, events: AsyncIterator[Shown | None]) -> AsyncIterator[bytes]:
    """Yield events in the wire form of the contract: three lines and a blank one; a comment for silence."""
    async for event in events:
        if event is None:
            yield KEEPALIVE
            continue
        micros = int(event.moment.timestamp() * 1_000_000)
        data = json.dumps(dict(event.data), ensure_ascii=False, separators=(",", ":"))
        yield f"id: {execution_id}_{event.position}_{micros}\nevent: {event.kind}\ndata: {data}\n\n".encode()


def parse_event_id(text: str | None, execution_id: UUID) -> int | None:
    """Return the position that an event's id names, None when none is given.

    Raises:
        InvalidInputError: `stream.bad_event_id`.
    """
    if not text:
        return None
    owner, _, rest = text.partition("_")
    position, _, micros = rest.partition("_")
    if owner != str(execution_id) or not (position.isascii() and position.isdigit() and micros.isdigit()):
        raise InvalidInputError(
            "stream.bad_event_id", "the id is of no event of this execution", "send the last `id:` you have read"
        )
    return int(position)
