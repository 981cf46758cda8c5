"""One check for each thing the API may reach. A check returns when it is well and raises when it is not.

Contract: each uses the component as the product does (its own credentials, a real question), never only its port.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import httpx
import urllib3
from minio import Minio
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy import func, select, text

from skerry.authz.opa import API_DECISION
from skerry.base import clock
from skerry.base.errors import UnavailableError
from skerry.tables.queues import worker_queues
from skerry.tables.workers import workers
from skerry.workers import service as worker_service

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from skerry.auth.temporal import TemporalDoor
    from skerry.authz.opa import Opa
    from skerry.kit.db import Database
    from skerry.kit.settings import Settings

CHECK_DEADLINE_S: Final = 1.2
"""Longest a check may take; with the age of a report (FRESH_S in service.py), what is stopped is named within 2 s."""
BEATS_MISSED: Final = 3
"""A pool of which so many heartbeats in a row are missing is failing."""
POOL_FORGOTTEN: Final = timedelta(minutes=10)
"""After so much longer it is not expected back: its host was taken away."""
S3_ACCESS_KEY: Final = "skerry-api"
OK: Final = 200


@dataclass(frozen=True)
class Probes:
    """What the checks hold open between two rounds."""

    settings: Settings
    database: Database
    opa: Opa
    temporal: TemporalDoor
    redis: Redis
    s3: Minio
    llm: httpx.AsyncClient

    async def close(self) -> None:
        """Close what `make_probes` opened; the rest belongs to app.py."""
        await self.redis.aclose()
        await self.llm.aclose()


def make_probes(settings: Settings, *, database: Database, opa: Opa, temporal: TemporalDoor) -> Probes:
    """Return probes; nothing connects before the first check. Secrets: `valkey-api`, `minio-api`."""
    redis = Redis(
        host=settings.valkey.host,
        port=settings.valkey.port,
        username=settings.valkey_user,
        password=settings.secrets.text("valkey-api"),
        socket_timeout=CHECK_DEADLINE_S,
        socket_connect_timeout=CHECK_DEADLINE_S,
        retry=Retry(NoBackoff(), 0),
        client_name="skerry-health",
    )
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(total=CHECK_DEADLINE_S), retries=urllib3.Retry(total=0), maxsize=1
    )
    s3 = Minio(
        str(settings.s3),
        access_key=S3_ACCESS_KEY,
        secret_key=settings.secrets.text("minio-api"),
        secure=False,
        region="us-east-1",
        http_client=pool,
    )
    llm = httpx.AsyncClient(base_url=settings.llm_url, timeout=CHECK_DEADLINE_S, trust_env=False)
    return Probes(settings, database, opa, temporal, redis, s3, llm)


async def check_postgres(probes: Probes) -> None:
    """A transaction as role platform."""
    async with probes.database.platform_transaction("health") as session:
        await session.scalar(text("select 1"))


async def check_valkey(probes: Probes) -> None:
    """A PING as user api."""
    await probes.redis.ping()


async def check_minio(probes: Probes) -> None:
    """The product's bucket, asked for with the API's own key."""
    if not await asyncio.to_thread(probes.s3.bucket_exists, probes.settings.s3_bucket):
        raise UnavailableError("health.no_bucket", "the bucket is missing", "run the job storage")


async def check_opa(probes: Probes) -> None:
    """A question that the platform policy answers with a denial."""
    answer = await probes.opa.query(API_DECISION, {"action": "health:check", "principal": {}})
    if not isinstance(answer, dict) or answer.get("allow") is not False:
        raise UnavailableError("health.policy", "the policy does not deny by default", "see policies/skerry/api")


async def check_temporal(probes: Probes) -> None:
    """The frontend's own health service."""
    client = await probes.temporal.system()
    if not await client.service_client.check_health(timeout=timedelta(seconds=CHECK_DEADLINE_S)):
        raise UnavailableError("health.not_serving", "the frontend does not serve", "see `skerry stack logs temporal`")


async def check_litellm(probes: Probes) -> None:
    """LiteLLM's own liveliness."""
    await want_ok(probes, "/health/liveliness", logs="litellm")


async def check_models(probes: Probes) -> None:
    """The model servers, as LiteLLM reaches them: they answer and hold the models of the catalogue."""
    await want_ok(probes, "/health/models", logs="ollama")


async def want_ok(probes: Probes, path: str, *, logs: str) -> None:
    """Raise unless LiteLLM answers `path` with 200."""
    response = await probes.llm.get(path)
    if response.status_code != OK:
        raise UnavailableError("health.status", f"it answers {response.status_code}", f"see `skerry stack logs {logs}`")


async def check_workers(probes: Probes) -> None:
    """No pool that said hello and not goodbye has gone silent; no pool at all is well.

    A pool is known by its key: a worker that was killed and started again is the same pool, heard of again.
    """
    silent_since = clock.now() - worker_queues.c.heartbeat_interval * text("interval '1 second'") * BEATS_MISSED
    last = func.max(workers.c.last_heartbeat_at)
    silent = (
        select(workers.c.token_id)
        .join_from(workers, worker_queues, _same_queue())
        .where(workers.c.disconnected_at.is_(None))
        .group_by(workers.c.organization_id, workers.c.token_id, worker_queues.c.heartbeat_interval)
        .having(last < silent_since, last > silent_since - POOL_FORGOTTEN)
    )
    async with probes.database.platform_transaction("heartbeats") as session:
        count = await session.scalar(select(func.count()).select_from(silent.subquery()))
    if count:
        raise UnavailableError("health.silent", f"{count} silent", "see `skerry stack status`")


async def check_system_worker(probes: Probes) -> None:
    """A system worker has shown life lately: without one no execution begins."""
    async with probes.database.platform_transaction("heartbeats") as session:
        if not await worker_service.is_system_worker_alive(session):
            raise UnavailableError("health.silent", "no system worker", "see `skerry stack logs system-worker`")


def _same_queue() -> ColumnElement[bool]:
    return (worker_queues.c.organization_id == workers.c.organization_id) & (
        worker_queues.c.id == workers.c.worker_queue_id
    )


CHECKS: Final = {
    "postgres": check_postgres,
    "valkey": check_valkey,
    "minio": check_minio,
    "opa": check_opa,
    "temporal": check_temporal,
    "litellm": check_litellm,
    "models": check_models,
    "workers": check_workers,
    "system-worker": check_system_worker,
}
"""Name in the answer -> its check; the name is the service's, but for `models` (their servers) and `workers`."""

NEEDED: Final = frozenset({"postgres", "opa"})
"""Without these no request is answered: the API is not ready."""
