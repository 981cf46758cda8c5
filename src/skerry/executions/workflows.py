"""The agent loop as a workflow: ask the model, make the calls it wants, again, until it has answered.

Contract: it runs on the system worker and decides nothing that needs data: ids and counts go in and out, the API and
its ledger hold the rest. The agent's activities are named by string and run on the queue of the execution. Whatever
happens, the execution ends in a stated condition, because `executions.finish` is tried until it succeeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

T = TypeVar("T")

WORKFLOW: Final = "AgentExecutionWorkflow"
CONTROL_QUEUE: Final = "skerry.control"

TURN_DEADLINE: Final = timedelta(minutes=5)
CALL_DEADLINE: Final = timedelta(minutes=5)
HEARTBEAT_DEADLINE: Final = timedelta(seconds=5)
"""A worker that is gone is noticed after this long; it beats once a second."""
LEDGER_DEADLINE: Final = timedelta(seconds=20)
STEPS_LIMIT: Final = 1000
"""A guard for the history, far above what limits of executions allow."""
TRIES: Final = 12

STEP_RETRIES: Final = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=10),
    maximum_attempts=TRIES,
)
LEDGER_RETRIES: Final = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=10)
)


@dataclass
class AgentRun:
    """What the workflow is given: ids, and the Temporal task queue of the execution's worker queue."""

    organization_id: str
    execution_id: str
    task_queue: str


@dataclass
class Step:
    """Which step of which execution."""

    execution_id: str
    step: int


@dataclass
class TurnOutcome:
    """How many tool calls follow from a turn."""

    calls: int


@dataclass
class Begin:
    """Which execution begins."""

    organization_id: str
    execution_id: str


@dataclass
class Finish:
    """How an execution ends: `code` is empty when it completed."""

    organization_id: str
    execution_id: str
    code: str


@workflow.defn(name=WORKFLOW)
class AgentExecutionWorkflow:
    """One execution of one agent."""

    @workflow.run
    async def run(self, run: AgentRun) -> str:
        """Take steps until the model has answered; return the code it ended with (empty: completed)."""
        begin = Begin(run.organization_id, run.execution_id)
        if not await _control("executions.begin", begin, bool):
            return "execution.ended"
        code = ""
        try:
            await self._loop(run)
        except ActivityError as error:
            code = code_of(error)
        except ApplicationError as error:
            code = error.type or "run.unexpected"
        await _control("executions.finish", Finish(run.organization_id, run.execution_id, code), type(None))
        return code

    async def _loop(self, run: AgentRun) -> None:
        step = 0
        while step < STEPS_LIMIT:
            outcome = await workflow.execute_activity(
                "agent.turn",
                Step(run.execution_id, step),
                result_type=TurnOutcome,
                task_queue=run.task_queue,
                start_to_close_timeout=TURN_DEADLINE,
                heartbeat_timeout=HEARTBEAT_DEADLINE,
                retry_policy=STEP_RETRIES,
            )
            if outcome.calls == 0:
                return
            for call in range(step + 1, step + 1 + outcome.calls):
                await workflow.execute_activity(
                    "agent.call",
                    Step(run.execution_id, call),
                    task_queue=run.task_queue,
                    start_to_close_timeout=CALL_DEADLINE,
                    heartbeat_timeout=HEARTBEAT_DEADLINE,
                    retry_policy=STEP_RETRIES,
                )
            step += 1 + outcome.calls
        raise ApplicationError("execution.too_long", type="execution.too_long", non_retryable=True)


async def _control(name: str, argument: object, result: type[T]) -> T:
    answer: T = await workflow.execute_activity(
        name,
        argument,
        result_type=result,
        task_queue=CONTROL_QUEUE,
        start_to_close_timeout=LEDGER_DEADLINE,
        retry_policy=LEDGER_RETRIES,
    )
    return answer


def code_of(error: ActivityError) -> str:
    """Return the stable code of an activity's failure."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return cause.type or "run.unexpected"
    if isinstance(cause, TemporalTimeoutError):
        return "run.worker_lost"
    if isinstance(cause, CancelledError):
        return "run.cancelled"
    return "run.unexpected"
