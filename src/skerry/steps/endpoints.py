"""The worker's routes under /api/v1/worker/executions: only for the pool of the execution's own queue."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Depends, Path, Request, status
from fastapi.responses import StreamingResponse

from skerry.authz.guard import Caller, guard
from skerry.events.service import bell_name
from skerry.files import service as files
from skerry.files.store import ObjectStore
from skerry.kit.bell import Bell
from skerry.kit.http import part
from skerry.kit.ids import missing, parse_id
from skerry.steps import service
from skerry.steps.schemas import (
    CallResult,
    Chunks,
    Claim,
    EntryOut,
    PermitOut,
    Taken,
    TurnOut,
    TurnResult,
    WorkspaceOut,
)

if TYPE_CHECKING:
    from uuid import UUID

    from skerry.kit.db import WriteSession

WORKER_PATH: Final = "/api/v1/worker/"
WORKER_BODY_BYTES: Final = 16 << 20
"""An answer or a tool's result, each character up to 6 bytes of JSON."""

router = APIRouter(prefix="/api/v1/worker/executions/{execution_id}", tags=["worker"])

Worker = Annotated[Caller, Depends(guard("executions:work"))]
StepNumber = Annotated[int, Path(ge=0, le=1 << 30)]


def _ids(caller: Caller, execution_id: str) -> tuple[UUID, UUID]:
    queue_id = caller.principal.worker_queue_id
    if queue_id is None:
        raise missing("execution")
    return parse_id(execution_id, what="execution"), queue_id


def _ring_after(session: WriteSession, request: Request, execution_id: UUID) -> None:
    session.after_commit(partial(part(request, Bell).ring_soon, bell_name(execution_id)))


@router.post("/turns/{step}/begin")
async def begin_turn(request: Request, execution_id: str, step: StepNumber, body: Claim, caller: Worker) -> TurnOut:
    """Claim a turn."""
    wanted, queue_id = _ids(caller, execution_id)
    async with caller.write() as session:
        run, row = await service.open_run(session, caller.principal.organization_id, wanted, queue_id=queue_id)
        _ring_after(session, request, wanted)
        return await service.begin_turn(session, run, row, step, attempt=body.attempt)


@router.post("/turns/{step}/chunks", status_code=status.HTTP_204_NO_CONTENT)
async def add_chunks(request: Request, execution_id: str, step: StepNumber, body: Chunks, caller: Worker) -> None:
    """Append pieces of an answer."""
    wanted, queue_id = _ids(caller, execution_id)
    async with caller.write() as session:
        run, _ = await service.open_run(session, caller.principal.organization_id, wanted, queue_id=queue_id)
        _ring_after(session, request, wanted)
        await service.add_chunks(session, run, step, body)


@router.post("/turns/{step}/result")
async def finish_turn(request: Request, execution_id: str, step: StepNumber, body: TurnResult, caller: Worker) -> Taken:
    """Hand a whole answer in."""
    wanted, queue_id = _ids(caller, execution_id)
    async with caller.write() as session:
        run, _ = await service.open_run(session, caller.principal.organization_id, wanted, queue_id=queue_id)
        _ring_after(session, request, wanted)
        calls = await service.finish_turn(session, run, step, body)
    return Taken(calls=calls)


@router.post("/calls/{step}/permit")
async def permit(request: Request, execution_id: str, step: StepNumber, body: Claim, caller: Worker) -> PermitOut:
    """Ask whether a tool call may run. Policy is asked between two transactions, so that none waits for it."""
    wanted, queue_id = _ids(caller, execution_id)
    organization_id = caller.principal.organization_id
    async with caller.read() as reading:
        run, row = await service.open_run(reading, organization_id, wanted, queue_id=queue_id)
        call = await service.find_call(reading, run, step)
    decision = None if service.is_settled(call) else await service.decide(caller.opa, run, row, call)
    async with caller.write() as session:
        run, row = await service.open_run(session, organization_id, wanted, queue_id=queue_id)
        _ring_after(session, request, wanted)
        return await service.permit(session, run, row, step, attempt=body.attempt, decision=decision)


@router.post("/calls/{step}/result", status_code=status.HTTP_204_NO_CONTENT)
async def finish_call(request: Request, execution_id: str, step: StepNumber, body: CallResult, caller: Worker) -> None:
    """Hand the outcome of a permitted call in."""
    wanted, queue_id = _ids(caller, execution_id)
    async with caller.write() as session:
        run, _ = await service.open_run(session, caller.principal.organization_id, wanted, queue_id=queue_id)
        _ring_after(session, request, wanted)
        await service.finish_call(session, run, step, body)


@router.get("/workspace")
async def get_workspace(execution_id: str, caller: Worker) -> WorkspaceOut:
    """The files of the execution's workspace."""
    wanted, queue_id = _ids(caller, execution_id)
    async with caller.read() as session:
        run, row = await service.open_run(session, caller.principal.organization_id, wanted, queue_id=queue_id)
        snapshot = await service.find_workspace(session, run, row)
    entries = [EntryOut.model_validate(entry) for entry in snapshot["entries"]]
    return WorkspaceOut(digest=snapshot["digest"], entries=entries)


@router.get("/blobs/{sha256}")
async def get_blob(request: Request, execution_id: str, sha256: str, caller: Worker) -> StreamingResponse:
    """The bytes of one file of the execution's workspace."""
    wanted, queue_id = _ids(caller, execution_id)
    async with caller.read() as session:
        run, row = await service.open_run(session, caller.principal.organization_id, wanted, queue_id=queue_id)
        snapshot = await service.find_workspace(session, run, row)
        if not any(entry["sha256"] == sha256 for entry in snapshot["entries"]):
            raise missing("file")
        blob = await files.find_blob(session, run.organization_id, sha256)
    content = await part(request, ObjectStore).open(blob["object_key"])
    headers = {"content-length": str(blob["size_bytes"])}
    return StreamingResponse(content, media_type="application/octet-stream", headers=headers)
