"""The API, put together: `create_app(settings)` builds it, skerry.app serves it.

Contract: building connects to nothing. JWKS is served without Temporal, Valkey, OPA or MinIO, because Temporal and
LiteLLM read it before they let anybody in. Rooms are a line in ROUTERS each; what they need is a part, built in
`build_parts`.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI

from skerry.agents.endpoints import router as agents_router
from skerry.auth.endpoints import router as auth_router
from skerry.auth.keys import KeyRing, parse_host_key
from skerry.auth.temporal import TemporalDoor
from skerry.auth.tokens import Issuer
from skerry.authz.opa import Opa
from skerry.events.service import EventStreams
from skerry.executions.endpoints import STREAM_PATH, STREAMS_AT_ONCE
from skerry.executions.endpoints import router as executions_router
from skerry.files.endpoints import UPLOAD_BODY_BYTES, UPLOAD_PATH
from skerry.files.endpoints import router as files_router
from skerry.files.store import ObjectStore
from skerry.health.checks import make_probes
from skerry.health.endpoints import router as health_router
from skerry.health.service import Health
from skerry.kit import logs, problems
from skerry.kit.bell import Bell, make_bell
from skerry.kit.bodies import StrictJson
from skerry.kit.db import Database
from skerry.kit.http import BodyLimit, Parts, RequestContext, WholeBody
from skerry.kit.settings import load_settings
from skerry.kit.turns import Turns
from skerry.models.catalog import read_catalog
from skerry.models.endpoints import router as models_router
from skerry.steps.endpoints import WORKER_BODY_BYTES, WORKER_PATH
from skerry.steps.endpoints import router as steps_router
from skerry.workers.endpoints import router as workers_router

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import APIRouter

    from skerry.kit.settings import Settings

log = logging.getLogger(__name__)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    auth_router,
    health_router,
    agents_router,
    models_router,
    files_router,
    executions_router,
    workers_router,
    steps_router,
)
LARGER_BODIES: Final[dict[str, int]] = {UPLOAD_PATH: UPLOAD_BODY_BYTES, WORKER_PATH: WORKER_BODY_BYTES}
"""Path prefix -> bytes, for rooms that take more than kit.http.BODY_LIMIT_BYTES."""


def create_app(settings: Settings) -> FastAPI:
    """Return the application; it opens nothing before its first request, and closes all at its end."""
    app = FastAPI(
        title="Skerry",
        version=settings.version,
        openapi_url="/api/openapi.json",
        docs_url=None,  # the default page loads scripts from a CDN
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.settings = settings
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(Turns, path=STREAM_PATH, at_once=STREAMS_AT_ONCE)
    app.add_middleware(StrictJson)
    app.add_middleware(BodyLimit, larger=LARGER_BODIES)
    app.add_middleware(RequestContext)
    app.add_middleware(WholeBody)
    return app


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Build the parts, serve, close them in the opposite order."""
    async with AsyncExitStack() as stack:
        app.state.parts = build_parts(app.state.settings, stack)
        await app.state.parts.get(Bell).start()
        log.info("serving", extra={"version": app.state.settings.version})
        yield
        log.info("stopping")


def build_parts(settings: Settings, stack: AsyncExitStack) -> Parts:
    """Return what endpoints ask for by type; each part is closed by `stack`."""
    parts = Parts()
    database = Database(settings, application="skerry-api")
    stack.push_async_callback(database.close)
    keys = KeyRing(database, host_key=parse_host_key(settings.secrets.bytes("host-key")))
    issuer = Issuer(keys, issuer=settings.issuer)
    opa = Opa(settings)
    stack.push_async_callback(opa.close)
    temporal = TemporalDoor(settings, issuer, name="skerry-api")
    catalog = read_catalog(settings.model_catalog)
    probes = make_probes(settings, database=database, opa=opa, temporal=temporal)
    health = Health(probes)
    stack.push_async_callback(health.close)
    bell = make_bell(settings)
    stack.push_async_callback(bell.close)
    streams = EventStreams(database, bell)
    store = ObjectStore(settings)
    for one in (settings, database, keys, issuer, opa, temporal, catalog, health, bell, streams, store):
        parts.add(one)
    return parts


def make_application() -> FastAPI:
    """Return the application of this process's environment; the server's worker calls it."""
    settings = load_settings()
    logs.set_up(settings.log_level)
    return create_app(settings)
