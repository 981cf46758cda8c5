"""The worker protocol: start, renew, heartbeat, disconnect (kubiya-contract, section 4; `renew` is our own)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, status

from skerry.auth.tokens import Issuer
from skerry.authz.guard import Caller, guard
from skerry.kit.http import part
from skerry.kit.settings import Settings
from skerry.workers import service
from skerry.workers.schemas import (  # noqa: TC001  FastAPI reads the annotations
    WorkerDisconnect,
    WorkerHeartbeat,
    WorkerStartRequest,
    WorkerStartResponse,
)

router = APIRouter(prefix="/api/v1", tags=["workers"])

Registering = Annotated[Caller, Depends(guard("workers:register"))]
Beating = Annotated[Caller, Depends(guard("workers:heartbeat"))]


@router.post("/worker-queues/{queue_id}/start")
async def start_worker(
    request: Request, queue_id: str, body: WorkerStartRequest, caller: Registering
) -> WorkerStartResponse:
    """Register a worker at its queue with the pool's key."""
    async with caller.write() as session:
        worker_id, queue = await service.register(session, caller.principal, queue_id, body)
    return await service.equip(part(request, Settings), part(request, Issuer), caller.principal, worker_id, queue)


@router.post("/workers/{worker_id}/renew")
async def renew_worker(request: Request, worker_id: str, caller: Registering) -> WorkerStartResponse:
    """Give a registered worker fresh tokens."""
    async with caller.read() as session:
        known, queue = await service.find(session, caller.principal, worker_id)
    return await service.equip(part(request, Settings), part(request, Issuer), caller.principal, known, queue)


@router.post("/workers/{worker_id}/heartbeat", status_code=status.HTTP_204_NO_CONTENT)
async def beat(worker_id: str, body: WorkerHeartbeat, caller: Beating) -> None:
    """Say that a worker lives."""
    async with caller.write() as session:
        await service.beat(session, caller.principal, worker_id, body)


@router.post("/workers/{worker_id}/disconnect", status_code=status.HTTP_204_NO_CONTENT)
async def disconnect(worker_id: str, body: WorkerDisconnect, caller: Beating) -> None:
    """Say that a worker goes."""
    async with caller.write() as session:
        await service.say_goodbye(session, caller.principal, worker_id, body)
