"""The system worker: delivers the outbox, runs every organisation's workflows, keeps partitions ahead.

Contract: it may be killed at any point. A line is settled only after its workflow is known to exist, a start that is
repeated counts as done, and namespaces with open executions get their pollers back when it starts again. A namespace
without an open execution has no poller. Many may run at once: lines are claimed with SKIP LOCKED, and workflows go to
whoever polls.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import signal
import sys
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import delete, func, select
from temporalio.client import WorkflowFailureError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError
from temporalio.worker import Worker

from skerry.agent.failures import DATA_CONVERTER
from skerry.agent.process import show_life
from skerry.auth.keys import KeyRing, parse_host_key
from skerry.auth.temporal import TemporalDoor
from skerry.auth.tokens import Issuer
from skerry.base import clock
from skerry.base.errors import SkerryError
from skerry.executions import service
from skerry.executions.activities import ExecutionActivities
from skerry.executions.workflows import CONTROL_QUEUE, WORKFLOW, AgentExecutionWorkflow, AgentRun
from skerry.kit import logs, notices
from skerry.kit.bell import make_bell
from skerry.kit.db import Database
from skerry.kit.ids import new_id
from skerry.kit.settings import load_settings
from skerry.organizations import namespaces
from skerry.queues.service import task_queue
from skerry.record import outbox
from skerry.tables.outbox import outbox as outbox_table
from skerry.worker import ALIVE
from skerry.workers import service as worker_service

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import RowMapping

    from skerry.kit.settings import Settings

log = logging.getLogger(__name__)

APPLICATION: Final = "skerry-system-worker"
POLL_S: Final = 1.0
RECONCILE_S: Final = 5.0
IDLE_S: Final = 120.0
"""How long a namespace keeps its poller after its last execution has ended."""
NAMESPACES_LIMIT: Final = 100
"""Most namespaces polled at once; executions of others wait in the outbox until one falls idle."""
START_DEADLINE: Final = dt.timedelta(seconds=5)
NAMESPACE_DEADLINE_S: Final = 2.0
GRACE: Final = dt.timedelta(seconds=10)
HOUSEKEEPING_S: Final = 3600.0
MONTHS_AHEAD: Final = 3
KEEP_LINES: Final = dt.timedelta(days=7)
PAUSE_S: Final = 1.0


class NamespaceWorkers:
    """One Temporal worker for each namespace that has something to run."""

    def __init__(self, door: TemporalDoor, activities: ExecutionActivities) -> None:
        self._door = door
        self._activities = activities
        self._running: dict[UUID, tuple[Worker, asyncio.Task[None]]] = {}
        self._wanted_at: dict[UUID, float] = {}

    def has_room(self, organization_id: UUID) -> bool:
        """Return whether the organisation is polled, or could be."""
        return organization_id in self._running or len(self._running) < NAMESPACES_LIMIT

    async def ensure(self, organization_id: UUID) -> None:
        """Poll an organisation's namespace.

        Raises:
            RuntimeError: Temporal does not answer.
        """
        self._wanted_at[organization_id] = clock.monotonic()
        if organization_id in self._running:
            return
        worker = Worker(
            await self._door.client(str(organization_id)),
            task_queue=CONTROL_QUEUE,
            workflows=[AgentExecutionWorkflow],
            activities=self._activities.all(),
            max_cached_workflows=200,
            max_concurrent_workflow_task_polls=2,
            max_concurrent_activity_task_polls=2,
            nonsticky_to_sticky_poll_ratio=0.5,
            sticky_queue_schedule_to_start_timeout=dt.timedelta(seconds=5),
            graceful_shutdown_timeout=GRACE,
        )
        self._running[organization_id] = (worker, asyncio.create_task(self._run(organization_id, worker)))
        log.info("polling", extra={"organization_id": str(organization_id)})

    async def _run(self, organization_id: UUID, worker: Worker) -> None:
        try:
            await worker.run()
        except Exception as error:  # noqa: BLE001  whatever it is, the next round starts a new one
            log.warning("polling ended: %s", type(error).__name__, extra={"organization_id": str(organization_id)})
        finally:
            self._running.pop(organization_id, None)

    async def reconcile(self, open_organizations: set[UUID]) -> None:
        """Poll namespaces with open executions, leave those that have had none for IDLE_S."""
        for organization_id in open_organizations:
            if self.has_room(organization_id):
                with suppress(RuntimeError):
                    await self.ensure(organization_id)
        idle = [
            organization_id
            for organization_id in self._running
            if clock.monotonic() - self._wanted_at.get(organization_id, 0.0) > IDLE_S
        ]
        for organization_id in idle:
            await self._stop(organization_id)

    async def _stop(self, organization_id: UUID) -> None:
        worker, task = self._running[organization_id]
        await worker.shutdown()
        await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Stop polling everywhere; tasks in hand end within GRACE."""
        await asyncio.gather(*(self._stop(organization_id) for organization_id in list(self._running)))


class Dispatcher:
    """Delivers outbox lines: each starts what it asks for, or is put off."""

    def __init__(self, database: Database, door: TemporalDoor, workers: NamespaceWorkers) -> None:
        self._database = database
        self._door = door
        self._workers = workers
        self._usable: set[UUID] = set()

    async def deliver(self) -> int:
        """Deliver what is due; return how many lines there were.

        Raises:
            UnavailableError: `database.unavailable`, `database.busy`.
        """
        async with self._database.platform_transaction("outbox") as session:
            lines = await outbox.claim(session)
            codes = await asyncio.gather(*(self._deliver_one(line) for line in lines))
            for line, code in zip(lines, codes, strict=True):
                if code:
                    await outbox.postpone(session, line, code=code)
                else:
                    await outbox.settle(session, line["organization_id"], line["id"])
        return len(lines)

    async def _deliver_one(self, line: RowMapping) -> str:
        """Return the code of what went wrong, empty when the line is delivered."""
        with logs.correlate(organization_id=str(line["organization_id"]), line_id=str(line["id"])):
            try:
                await self._start(line)
            except SkerryError as error:
                log.warning("put off: %s", error)
                return error.code
            except (RPCError, RuntimeError, WorkflowFailureError) as error:
                log.warning("put off: %s", type(error).__name__)
                return "temporal.unavailable"
            except Exception:
                log.exception("put off")
                return "outbox.unexpected"
            return ""

    async def _start(self, line: RowMapping) -> None:
        if line["kind"] != service.START:
            raise SkerryError("outbox.unknown_kind", f"nobody delivers {line['kind']}")
        organization_id: UUID = line["organization_id"]
        if not self._workers.has_room(organization_id):
            raise SkerryError("outbox.no_room", f"{NAMESPACES_LIMIT} namespaces are polled already")
        if organization_id not in self._usable:
            await namespaces.ensure_namespace(self._door, organization_id, deadline_s=NAMESPACE_DEADLINE_S)
            self._usable.add(organization_id)
        execution_id = UUID(line["payload"]["execution_id"])
        queue_id = UUID(line["payload"]["worker_queue_id"])
        run = AgentRun(str(organization_id), str(execution_id), task_queue(organization_id, queue_id))
        client = await self._door.client(str(organization_id))
        with suppress(WorkflowAlreadyStartedError):
            await client.start_workflow(
                WORKFLOW,
                run,
                id=service.workflow_id(execution_id),
                task_queue=CONTROL_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                rpc_timeout=START_DEADLINE,
            )
        await self._workers.ensure(organization_id)


class SystemWorker:
    """Everything the process runs side by side."""

    def __init__(
        self, settings: Settings, database: Database, dispatcher: Dispatcher, workers: NamespaceWorkers
    ) -> None:
        self._settings = settings
        self._database = database
        self._dispatcher = dispatcher
        self._workers = workers
        self._id = new_id()

    async def beat(self) -> None:
        """Show life to the others, for ever."""
        while True:
            async with self._database.platform_transaction("heartbeats") as session:
                await worker_service.show_system_life(session, self._id)
            await asyncio.sleep(worker_service.SYSTEM_BEAT_S)

    async def say_goodbye(self) -> None:
        """Be missed at once; without PostgreSQL silence has to say it."""
        with suppress(SkerryError):
            async with self._database.platform_transaction("heartbeats") as session:
                await worker_service.end_system_life(session, self._id)

    async def dispatch(self) -> None:
        """Deliver the outbox for ever: at once when PostgreSQL says so, and once a second by itself."""
        async with notices.listening(self._settings, "skerry_outbox", application=APPLICATION) as listener:
            while True:
                if not await self._dispatcher.deliver():
                    await listener.wait(POLL_S)

    async def reconcile(self) -> None:
        """Keep pollers where executions are open, for ever."""
        while True:
            async with self._database.platform_transaction("namespaces") as session:
                wanted = await service.open_organizations(session)
            await self._workers.reconcile(wanted)
            await asyncio.sleep(RECONCILE_S)

    async def keep_house(self) -> None:
        """Make partitions ahead and drop settled lines, once an hour, for ever."""
        while True:
            async with self._database.platform_transaction("schedules") as session:
                await session.scalar(select(func.skerry.make_event_partitions(MONTHS_AHEAD)))
                await session.execute(
                    delete(outbox_table).where(outbox_table.c.delivered_at < clock.now() - KEEP_LINES)
                )
            await asyncio.sleep(HOUSEKEEPING_S)


async def persist(job: Callable[[], Awaitable[None]]) -> None:
    """Run an endless job; when it fails, say so and begin it anew."""
    while True:
        try:
            await job()
        except Exception as error:  # noqa: BLE001  a job that ended would not be missed
            log.warning("%s failed: %s", job.__name__, error)
        await asyncio.sleep(PAUSE_S)


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then drain."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        database = Database(settings, application=APPLICATION)
        stack.push_async_callback(database.close)
        bell = make_bell(settings)
        await bell.start()
        stack.push_async_callback(bell.close)
        keys = KeyRing(database, host_key=parse_host_key(settings.secrets.bytes("host-key")))
        issuer = Issuer(keys, issuer=settings.issuer)
        door = TemporalDoor(settings, issuer, name=APPLICATION, lazy=False, data_converter=DATA_CONVERTER)
        workers = NamespaceWorkers(door, ExecutionActivities(database, bell))
        stack.push_async_callback(workers.close)
        system = SystemWorker(settings, database, Dispatcher(database, door, workers), workers)
        jobs = [
            asyncio.create_task(show_life(ALIVE)),
            asyncio.create_task(door.keep_fresh()),
            *(
                asyncio.create_task(persist(job))
                for job in (system.beat, system.dispatch, system.reconcile, system.keep_house)
            ),
        ]
        log.info("working", extra={"version": settings.version})
        await stopping.wait()
        log.info("draining")
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await system.say_goodbye()


def main() -> int:
    """Run the system worker to its end; return the exit status."""
    try:
        settings = load_settings()
    except SkerryError as error:
        sys.stderr.write(f"{error}\n{error.hint}\n")
        return 1
    logs.set_up(settings.log_level)
    asyncio.run(serve(settings))
    return 0
