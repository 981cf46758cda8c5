"""Executions: submitted in one transaction, begun and finished by their workflow, every change recorded.

Contract: `submit` writes the execution, its first message, its events and the outbox line that will start its
workflow, all or nothing. `begin` and `finish` may be called again: the second time changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skerry.agents import service as agents
from skerry.base import clock
from skerry.executions import repository
from skerry.files import service as files
from skerry.kit.ids import missing, new_id, parse_id
from skerry.queues import service as queues
from skerry.record import events, outbox
from skerry.record.events import Event, RunKey

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.auth.principal import Principal
    from skerry.executions.schemas import AgentExecutionRequest
    from skerry.kit.db import ReadSession, WriteSession
    from skerry.models.catalog import Catalog

START: Final = "execution.start"
"""Kind of the outbox line that starts a workflow."""
BUILT_IN_TOOLS: Final = ("read_file",)
DEFAULT_LIMITS: Final = {"max_turns": 20, "max_tokens": 1024, "temperature_milli": 0}
LIMIT_BOUNDS: Final = {"max_turns": (1, 200), "max_tokens": (1, 32_768), "temperature_milli": (0, 2000)}


@dataclass(frozen=True)
class Plan:
    """What is to be run, before anything is written."""

    agent: RowMapping
    queue: RowMapping
    model_id: str
    system_prompt: str | None
    tools: tuple[str, ...]
    limits: dict[str, int]

    def resource(self) -> dict[str, Any]:
        """Return what policy is told of it."""
        return {
            "kind": "agent",
            "id": str(self.agent["id"]),
            "model": self.model_id,
            "tools": list(self.tools),
            "limits": self.limits,
            "environment_id": str(self.queue["environment_id"]),
            "worker_queue_id": str(self.queue["id"]),
        }


def workflow_id(execution_id: UUID) -> str:
    """Return the id of an execution's workflow."""
    return f"agent-execution-{execution_id}"


async def plan(
    session: ReadSession, organization_id: UUID, agent_id: UUID, body: AgentExecutionRequest, *, catalog: Catalog
) -> Plan:
    """Decide what will run where.

    Raises:
        NotFoundError: `agent.not_found`, `worker_queue.not_found`.
        InvalidInputError: `worker_queue.inactive`, `worker_queue.none`, `model.unknown`, `model.none`.
    """
    agent = await agents.get_agent(session, organization_id, agent_id)
    wanted = parse_id(body.worker_queue_id, what="worker_queue") if body.worker_queue_id else None
    queue = await queues.choose(session, organization_id, wanted)
    return Plan(
        agent=agent,
        queue=queue,
        model_id=catalog.resolve(agent["model_id"]),
        system_prompt=body.system_prompt if body.system_prompt is not None else agent["system_prompt"],
        tools=tools_of(agent["configuration"]),
        limits=limits_of(agent["llm_config"]),
    )


def tools_of(configuration: dict[str, Any]) -> tuple[str, ...]:
    """Return the built-in tools an agent has: those its configuration names under `tools`, all when it names none."""
    named = configuration.get("tools")
    if not isinstance(named, list):
        return BUILT_IN_TOOLS
    return tuple(name for name in BUILT_IN_TOOLS if name in named)


def limits_of(configuration: dict[str, Any]) -> dict[str, int]:
    """Return an agent's limits, each held within its bounds; `temperature` becomes thousandths."""
    given = dict(configuration)
    if isinstance(temperature := given.get("temperature"), int | float):
        given["temperature_milli"] = int(temperature * 1000)
    limits = {}
    for name, default in DEFAULT_LIMITS.items():
        low, high = LIMIT_BOUNDS[name]
        value = given.get(name)
        limits[name] = min(max(value, low), high) if isinstance(value, int) else default
    return limits


async def submit(session: WriteSession, principal: Principal, body: AgentExecutionRequest, chosen: Plan) -> UUID:
    """Write an execution and what will start it; return its id.

    Raises:
        InvalidInputError: `workspace.too_many_files`, `workspace.path_twice`.
        NotFoundError: `file.not_found`.
    """
    organization_id, execution_id, moment = principal.organization_id, new_id(), clock.now()
    run = RunKey(organization_id, execution_id, moment.date())
    values = {
        "organization_id": organization_id,
        "id": execution_id,
        "created_on": run.created_on,
        "agent_id": chosen.agent["id"],
        "agent_name": chosen.agent["name"],
        "worker_queue_id": chosen.queue["id"],
        "prompt": body.prompt,
        "system_prompt": chosen.system_prompt,
        "model_id": chosen.model_id,
        "tools": list(chosen.tools),
        "limits": chosen.limits,
        "workspace": await files.make_snapshot(session, organization_id, body.file_ids),
        "execution_metadata": body.execution_metadata or {},
        "user_metadata": body.user_metadata or {},
        "created_by": principal.user_id,
        "user_email": principal.email,
        "user_name": principal.name,
        "created_at": moment,
    }
    await repository.add_execution(session, values)
    await _move(session, run, None, "pending", reason="execution.submitted")
    await _ask(session, run, body.prompt)
    payload = {"execution_id": str(execution_id), "worker_queue_id": str(chosen.queue["id"])}
    await outbox.append(session, organization_id, START, payload)
    return execution_id


async def _ask(session: WriteSession, run: RunKey, prompt: str) -> None:
    message_id = new_id()
    data = {
        "role": "user",
        "content": prompt,
        "timestamp": clock.rfc3339(clock.now()),
        "message_id": str(message_id),
    }
    position = await events.append(session, run, [Event("message", data)])
    message = {"message_id": message_id, "role": "user", "content": prompt}
    await repository.add_message(session, run, position, message)


async def _move(session: WriteSession, run: RunKey, before: str | None, after: str, *, reason: str) -> None:
    data = {"status": after, "execution_id": str(run.execution_id), "previous_status": before}
    position = await events.append(session, run, [Event("status", data)])
    transition = {"from_status": before, "to_status": after, "reason": reason}
    await repository.add_transition(session, run, position, transition)


async def get_execution(session: ReadSession, organization_id: UUID, execution_id: UUID) -> RowMapping:
    """Return an execution.

    Raises:
        NotFoundError: `execution.not_found`.
    """
    row = await repository.find_execution(session, organization_id, execution_id)
    if row is None:
        raise missing("execution")
    return row


async def begin(session: WriteSession, organization_id: UUID, execution_id: UUID) -> bool:
    """Set an execution running; False when it has ended already (or is not there), so that its workflow ends too."""
    row = await repository.find_execution(session, organization_id, execution_id, lock=True)
    if row is None or row["status"] in repository.TERMINAL:
        return False
    if row["status"] == "pending":
        run = RunKey(organization_id, execution_id, row["created_on"])
        await repository.update_execution(session, run, {"status": "running", "started_at": clock.now()})
        await _move(session, run, "pending", "running", reason="execution.started")
    return True


async def finish(session: WriteSession, organization_id: UUID, execution_id: UUID, *, code: str) -> None:
    """End an execution: completed when `code` is empty, failed with it otherwise."""
    row = await repository.find_execution(session, organization_id, execution_id, lock=True)
    if row is None or row["status"] in repository.TERMINAL:
        return
    run = RunKey(organization_id, execution_id, row["created_on"])
    usage = await _usage(session, run)
    response = await repository.last_answer(session, run)
    status = "failed" if code else "completed"
    values = {"status": status, "completed_at": clock.now(), "usage": usage, "response": response}
    await repository.update_execution(session, run, {**values, "error_code": code or None})
    await _move(session, run, row["status"], status, reason=code or "execution.completed")
    await events.append(session, run, [_end(run, code=code, response=response, usage=usage)])


async def open_organizations(session: ReadSession) -> set[UUID]:
    """Return the organisations with an execution that has not ended. Needs a platform transaction."""
    return await repository.open_organizations(session)


def _end(run: RunKey, *, code: str, response: str | None, usage: dict[str, int]) -> Event:
    execution_id = str(run.execution_id)
    if code:
        data = {"error": f"the execution failed: {code}", "error_type": code}
        return Event("error", {**data, "execution_id": execution_id, "status": "failed"})
    done = {"execution_id": execution_id, "response": response, "usage": usage, "status": "completed"}
    return Event("done", done)


async def _usage(session: ReadSession, run: RunKey) -> dict[str, int]:
    turns = await repository.sum_turns(session, run)
    calls = {row["status"]: int(row["calls"]) for row in await repository.count_calls(session, run)}
    prompt, completion = int(turns["prompt_tokens"]), int(turns["completion_tokens"])
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "turns": int(turns["turns"]),
        "tool_calls": sum(calls.values()),
        "tool_calls_denied": calls.get("denied", 0),
        "model_ms": int(turns["model_us"]) // 1000,
    }
