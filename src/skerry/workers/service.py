"""Workers: registration with a pool's key, tokens for the three doors, signs of life.

Contract: a worker's tokens are short-lived. Its API token has the id of the pool's key, so that revoking the key ends
every token made from it; those for Temporal and LiteLLM end by themselves.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from skerry.auth.tokens import SHORT_LIFE, Subject
from skerry.base import clock
from skerry.base.errors import InvalidInputError
from skerry.kit.ids import missing, new_id, parse_id
from skerry.queues import service as queues
from skerry.workers import repository
from skerry.workers.schemas import WorkerStartResponse

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.auth.principal import Principal
    from skerry.auth.tokens import Issuer
    from skerry.kit.db import ReadSession, WriteSession
    from skerry.kit.settings import Settings
    from skerry.workers.schemas import WorkerDisconnect, WorkerHeartbeat, WorkerStartRequest

OUR_WORKER: Final = "skerry-agent-worker"
SYSTEM_INFO_LIMIT_CHARS: Final = 16_000
HOSTNAME_LIMIT_CHARS: Final = 255
SYSTEM_BEAT_S: Final = 1.0
SYSTEM_SILENCE: Final = timedelta(seconds=5)
"""So long after its last sign of life a system worker counts as gone: several beats, because a busy host misses one."""
SYSTEM_FORGOTTEN: Final = timedelta(days=1)


def queue_of(principal: Principal) -> UUID:
    """Return the queue a pool's key is for.

    Raises:
        NotFoundError: `worker.not_found` for a caller that is no worker.
    """
    if principal.worker_queue_id is None:
        raise missing("worker")
    return principal.worker_queue_id


async def register(
    session: WriteSession, principal: Principal, wanted: str, body: WorkerStartRequest
) -> tuple[UUID, RowMapping]:
    """Record a worker's start; return its id and its queue.

    Raises:
        NotFoundError: `worker_queue.not_found` (also when the key is for another queue).
        InvalidInputError: `worker_queue.inactive`, `worker.unsupported`.
    """
    queue_id = parse_id(wanted, what="worker_queue")
    if queue_id != queue_of(principal):
        raise missing("worker_queue")
    queue = await queues.get_active(session, principal.organization_id, queue_id)
    version = body.worker_sdk_version or ""
    if not version.startswith(OUR_WORKER):
        raise InvalidInputError(
            "worker.unsupported",
            "this queue is served by workers of this product only",
            "enrol a pool: skerry workers enroll ORG QUEUE",
        )
    worker_id = new_id()
    info = check_info(body.system_info or {})
    values = {
        "organization_id": principal.organization_id,
        "id": worker_id,
        "worker_queue_id": queue_id,
        "token_id": principal.token_id,
        "hostname": str(info.get("hostname", ""))[:HOSTNAME_LIMIT_CHARS],
        "version": version,
        "system_info": info,
    }
    await repository.add_worker(session, values)
    return worker_id, queue


def check_info(info: dict[str, Any]) -> dict[str, Any]:
    """Return what a worker says of its machine.

    Raises:
        InvalidInputError: `worker.system_info` when it is too much.
    """
    if len(json.dumps(info)) > SYSTEM_INFO_LIMIT_CHARS:
        raise InvalidInputError("worker.system_info", "the description of the machine is too long", "shorten it")
    return info


async def find(session: ReadSession, principal: Principal, worker_id: str) -> tuple[UUID, RowMapping]:
    """Return the id of a worker of the caller's queue, and the queue.

    Raises:
        NotFoundError: `worker.not_found`, `worker_queue.not_found`.
        InvalidInputError: `worker_queue.inactive`.
    """
    wanted, queue_id = parse_id(worker_id, what="worker"), queue_of(principal)
    row = await repository.find_worker(session, principal.organization_id, wanted, queue_id=queue_id)
    if row is None or row["disconnected_at"] is not None:
        raise missing("worker")
    return wanted, await queues.get_active(session, principal.organization_id, queue_id)


async def equip(
    settings: Settings, issuer: Issuer, principal: Principal, worker_id: UUID, queue: RowMapping
) -> WorkerStartResponse:
    """Return what a registered worker works with, tokens made now.

    Raises:
        UnavailableError: `auth.no_signing_key`, `database.unavailable`.
    """
    organization_id, queue_id = principal.organization_id, queue["id"]
    subject = Subject(
        kind="worker",
        subject=str(queue_id),
        organization_id=organization_id,
        organization=principal.organization,
        name=principal.name,
    )
    namespace = str(organization_id)
    extra = {"worker_id": str(worker_id), "worker_queue_id": str(queue_id)}
    return WorkerStartResponse(
        worker_id=str(worker_id),
        task_queue_name=queues.task_queue(organization_id, queue_id),
        temporal_namespace=namespace,
        temporal_host=str(settings.temporal),
        temporal_api_key=await issuer.mint_temporal(subject, roles={namespace: ("write", "worker")}),
        organization_id=principal.organization,
        control_plane_url=f"https://{settings.site_name}",
        heartbeat_interval=queue["heartbeat_interval"],
        litellm_api_url=f"{settings.llm_url}/v1",
        litellm_api_key=await issuer.mint_litellm(subject, extra=extra),
        queue_name=queue["name"],
        environment_name=queue["environment_name"],
        queue_id=str(queue_id),
        queue_ephemeral=queue["ephemeral"],
        control_plane_sdk_version=settings.version,
        organization_uuid=namespace,
        worker_token=await issuer.mint_api_key(
            subject, token_id=principal.token_id, expires_at=clock.now() + SHORT_LIFE
        ),
        expires_in=int(SHORT_LIFE.total_seconds()),
    )


async def beat(session: WriteSession, principal: Principal, worker_id: str, body: WorkerHeartbeat) -> None:
    """Record that a worker lives.

    Raises:
        NotFoundError: `worker.not_found`.
    """
    values: dict[str, Any] = {
        "status": body.status,
        "tasks_processed": body.tasks_processed,
        "last_heartbeat_at": clock.now(),
        "disconnected_at": None,
    }
    if body.system_info is not None:
        values["system_info"] = check_info(body.system_info)
    await _update(session, principal, worker_id, values)


async def say_goodbye(session: WriteSession, principal: Principal, worker_id: str, body: WorkerDisconnect) -> None:
    """Record that a worker has gone.

    Raises:
        NotFoundError: `worker.not_found`.
    """
    values = {"status": "disconnected", "disconnected_at": clock.now(), "disconnect_reason": body.reason}
    await _update(session, principal, worker_id, values)


async def _update(session: WriteSession, principal: Principal, worker_id: str, values: dict[str, Any]) -> None:
    wanted = parse_id(worker_id, what="worker")
    if not await repository.update_worker(
        session, principal.organization_id, wanted, queue_id=queue_of(principal), values=values
    ):
        raise missing("worker")


async def show_system_life(session: WriteSession, worker_id: UUID) -> None:
    """Record that a system worker lives; to be repeated every SYSTEM_BEAT_S."""
    await repository.renew_system_worker(session, worker_id)


async def end_system_life(session: WriteSession, worker_id: UUID) -> None:
    """Record that a system worker ends: it is missed at once. Rows of those that were killed long ago go too."""
    await repository.remove_system_workers(session, worker_id=worker_id, silent_for=SYSTEM_FORGOTTEN)


async def is_system_worker_alive(session: ReadSession) -> bool:
    """Return whether a system worker was heard of within SYSTEM_SILENCE."""
    return await repository.count_system_workers(session, heard_within=SYSTEM_SILENCE) > 0
