"""The agent worker's process: registers, keeps its tokens fresh, runs activities until told to stop, drains.

Contract: it serves one queue of one organisation and holds no credential but the pool's key and the short-lived
tokens got with it. SIGTERM stops polling, lets running activities end within GRACE_S, and says goodbye.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import signal
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from temporalio.client import Client
from temporalio.worker import Worker

from skerry.agent.activities import AgentActivities
from skerry.agent.api import ControlPlane
from skerry.agent.completion import ModelClient
from skerry.agent.failures import DATA_CONVERTER
from skerry.agent.settings import load_agent_settings
from skerry.agent.workspace import BlobCache
from skerry.base.errors import NotFoundError, SkerryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from skerry.agent.protocol import Registration
    from skerry.agent.settings import AgentSettings

log = logging.getLogger(__name__)

GRACE_S: Final = 15.0
CONCURRENT_ACTIVITIES: Final = 8
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 15.0
HEARTBEAT_THROTTLE: Final = timedelta(seconds=1)
"""The SDK holds heartbeats back for most of their timeout; ours are cheap, and a lost worker is noticed sooner."""
ALIVE_EVERY_S: Final = 5.0


class AgentProcess:
    """One agent worker, from its registration to its goodbye."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._api = ControlPlane(settings)
        self._model = ModelClient()
        self._activities = AgentActivities(self._api, self._model, BlobCache(settings.blobs, self._api))
        self._stopping = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._known: Registration | None = None

    async def run(self) -> None:
        """Work until `stop`; a worker whose polling breaks for good (its queue gone, say) registers anew.

        It shows life from its first registration on: later on the API may be away without this worker being unwell.
        """
        try:
            while not self._stopping.is_set():
                await self._serve()
        finally:
            if self._life is not None:
                self._life.cancel()
            await self._api.close()
            await self._model.close()

    async def _serve(self) -> None:
        registration = await self._keep_trying("registration", lambda: self._api.register(describe_system()))
        if registration is None:
            return
        self._life = self._life or asyncio.create_task(show_life(self._settings.alive))
        self._adopt(registration)
        client = await self._keep_trying("Temporal", lambda: connect(registration))
        if client is None:
            return
        worker = self._make_worker(client, registration)
        side = [
            asyncio.create_task(self._renew_for_ever(client)),
            asyncio.create_task(self._beat_for_ever()),
        ]
        log.info("worker %s polls %s", registration.worker_id, registration.task_queue)
        try:
            await self._poll(worker)
        finally:
            for task in side:
                task.cancel()
            await asyncio.gather(*side, return_exceptions=True)
            await self._say_goodbye()

    async def _poll(self, worker: Worker) -> None:
        polling = asyncio.create_task(worker.run())
        told = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({polling, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if polling.done():
            log.error("polling ended: %s", type(polling.exception()).__name__)
            await asyncio.sleep(FIRST_PAUSE_S)
            return
        log.info("draining %d activities", self._activities.running)
        await worker.shutdown()
        await polling

    def _make_worker(self, client: Client, registration: Registration) -> Worker:
        return Worker(
            client,
            task_queue=registration.task_queue,
            activities=self._activities.all(),
            max_concurrent_activities=CONCURRENT_ACTIVITIES,
            graceful_shutdown_timeout=timedelta(seconds=GRACE_S),
            max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
            default_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
            identity=registration.worker_id,
        )

    def stop(self) -> None:
        """Ask the process to drain and end."""
        self._stopping.set()

    def _adopt(self, registration: Registration) -> None:
        self._known = registration
        self._model.url, self._model.token = registration.litellm_url, registration.litellm_token

    async def _keep_trying(self, what: str, action: Callable[[], Awaitable[Any]]) -> Any:
        pause = FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                return await action()
            except (SkerryError, RuntimeError) as error:
                log.warning("%s: %s; trying again in %.1f s", what, error, pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
        return None

    async def _renew_for_ever(self, client: Client) -> None:
        while self._known is not None:
            await asyncio.sleep(self._known.expires_in_s / 2)
            fresh = await self._keep_trying("renewal", self._renew)
            if fresh is None:
                return
            self._adopt(fresh)
            client.api_key = fresh.temporal_token

    async def _renew(self) -> Registration:
        if self._known is not None:
            with suppress(NotFoundError):  # this worker is forgotten: it becomes a new one
                return await self._api.renew(self._known.worker_id)
        return await self._api.register(describe_system())

    async def _beat_for_ever(self) -> None:
        while self._known is not None:
            status = "busy" if self._activities.running else "idle"
            try:
                await self._api.heartbeat(self._known.worker_id, status=status, processed=self._activities.processed)
            except SkerryError as error:
                log.warning("heartbeat: %s", error)
            await asyncio.sleep(self._known.heartbeat_s)

    async def _say_goodbye(self) -> None:
        if self._known is None:
            return
        try:
            await self._api.disconnect(self._known.worker_id)
        except SkerryError as error:
            log.warning("goodbye: %s", error)


async def connect(registration: Registration) -> Client:
    """Return a client of Temporal with the worker's own token."""
    return await Client.connect(
        registration.temporal_host,
        namespace=registration.namespace,
        api_key=registration.temporal_token,
        tls=False,
        data_converter=DATA_CONVERTER,
        identity=registration.worker_id,
    )


async def show_life(path: Path) -> None:
    """Touch a file for ever, so that a health command can see that the event loop turns."""
    while True:
        _touch(path)
        await asyncio.sleep(ALIVE_EVERY_S)


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def describe_system() -> dict[str, Any]:
    """Return what the control plane shows of the machine a worker runs on."""
    return {
        "hostname": platform.node(),
        "platform": platform.platform(),
        "os_name": platform.system(),
        "os_version": platform.release(),
        "python_version": platform.python_version(),
        "pid": os.getpid(),
        "cpu_count": os.cpu_count(),
    }


async def _run() -> None:
    process = AgentProcess(load_agent_settings())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stop)
    await process.run()


def main() -> int:
    """Run an agent worker to its end; return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(_run())
    return 0
