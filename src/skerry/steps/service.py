"""What a worker may do to an execution of its own queue: take turns, ask permits, hand results in.

Contract: every function may be called again with the same arguments and changes nothing the second time. A turn or
call belongs to its newest attempt: an older one, whose worker was given up, is told `step.superseded`. The answer to
a turn, its message, the ledger lines that follow from it and the events are one transaction.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from skerry.authz.opa import read_decision
from skerry.base import clock
from skerry.base.errors import ConflictError
from skerry.kit.ids import missing, new_id
from skerry.record import events
from skerry.record.events import Event, Piece, RunKey, wrapped
from skerry.steps import repository
from skerry.steps.schemas import CallRef, MessageOut, OutcomeOut, PermitOut, TurnOut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.authz.opa import Decision, Opa
    from skerry.kit.db import ReadSession, WriteSession
    from skerry.steps.schemas import CallResult, Chunks, TurnResult

TOOL_DECISION: Final = "tools/decision"
SETTLED: Final = frozenset({"completed", "denied", "failed", "outcome_unknown"})
SHOWN_RESULT_CHARS: Final = 16_000
"""Most characters of a tool's result in an event; the ledger keeps all of it."""
UNSOUND: Final = "tool.bad_arguments"


async def open_run(
    session: ReadSession, organization_id: UUID, execution_id: UUID, *, queue_id: UUID
) -> tuple[RunKey, RowMapping]:
    """Return an execution of this queue that runs.

    Raises:
        NotFoundError: `execution.not_found` (also when it is on another queue).
        ConflictError: `execution.not_running`.
    """
    row = await repository.find_run(session, organization_id, execution_id, queue_id=queue_id)
    if row is None:
        raise missing("execution")
    if row["status"] != "running":
        raise ConflictError("execution.not_running", f"the execution is {row['status']}", "nothing is left to do")
    return RunKey(organization_id, execution_id, row["created_on"]), row


async def begin_turn(session: WriteSession, run: RunKey, row: RowMapping, step: int, *, attempt: int) -> TurnOut:
    """Claim a turn for an attempt and return what to ask the model.

    Raises:
        ConflictError: `step.superseded`, `execution.turn_limit`.
    """
    turn = await repository.claim_turn(session, run, step, attempt=attempt, message_id=new_id())
    if turn["status"] == "completed":
        return _turn_out(turn, row, messages=[])
    _want_current(turn, attempt)
    limits: Mapping[str, int] = row["limits"]
    if await repository.count_turns(session, run) > limits["max_turns"]:
        raise ConflictError("execution.turn_limit", "the execution has taken all its turns", "raise its limit")
    if await repository.drop_pieces(session, run, step):
        reset = wrapped(message_id=str(turn["message_id"]), attempt=attempt)
        await events.append(session, run, [Event("message_reset", reset)])
    messages = _conversation(await repository.conversation(session, run), await repository.ledger(session, run))
    return _turn_out(turn, row, messages=messages)


def _turn_out(turn: RowMapping, row: RowMapping, *, messages: list[MessageOut]) -> TurnOut:
    limits = row["limits"]
    return TurnOut(
        done=turn["status"] == "completed",
        calls=turn["calls"],
        message_id=str(turn["message_id"]),
        model=row["model_id"],
        system_prompt=row["system_prompt"] or "",
        max_tokens=limits["max_tokens"],
        temperature=limits["temperature_milli"] / 1000,
        tools=list(row["tools"]),
        messages=messages,
    )


def _conversation(messages: Sequence[RowMapping], ledger: Sequence[RowMapping]) -> list[MessageOut]:
    by_step = {call["step"]: call for call in ledger}
    conversation = []
    for message in messages:
        if message["role"] == "tool":
            call = by_step[message["step"]]
            conversation.append(
                MessageOut(role="tool", content="", tool_call_id=call_id(call["step"]), outcome=_outcome(call))
            )
            continue
        calls = [
            CallRef(id=call_id(call["step"]), name=call["tool"], arguments=call["arguments"])
            for call in ledger
            if message["role"] == "assistant" and call["turn_step"] == message["step"]
        ]
        conversation.append(MessageOut(role=message["role"], content=message["content"], tool_calls=calls))
    return conversation


def _outcome(call: RowMapping) -> OutcomeOut:
    code = call["rule"] if call["status"] == "denied" else call["code"]
    return OutcomeOut(status=call["status"], content=call["result"] or "", code=code or "")


def call_id(step: int) -> str:
    """Return the id under which model, events and people know the tool call of a step."""
    return f"call_{step}"


async def add_chunks(session: WriteSession, run: RunKey, step: int, body: Chunks) -> None:
    """Append pieces of the answer of the turn's current attempt.

    Raises:
        ConflictError: `step.superseded`.
    """
    turn = await _current_turn(session, run, step, attempt=body.attempt)
    pieces = [
        Event(
            "message_chunk",
            wrapped(content=chunk.content, message_id=str(turn["message_id"]), role="assistant"),
            Piece(step, body.attempt, chunk.n),
        )
        for chunk in body.chunks
    ]
    await events.append(session, run, pieces)


async def finish_turn(session: WriteSession, run: RunKey, step: int, body: TurnResult) -> int:
    """Take a whole answer in; return how many tool calls follow.

    Raises:
        ConflictError: `step.superseded`.
    """
    turn = await repository.find_turn(session, run, step, lock=True)
    if turn is not None and turn["status"] == "completed":
        return int(turn["calls"])
    turn = await _current_turn(session, run, step, attempt=body.attempt)
    await repository.drop_pieces(session, run, step)
    message_id = turn["message_id"]
    said = Event("message", message_data("assistant", body.content, message_id=message_id))
    # A message of tool calls only has a place in the conversation, and nothing to show.
    show = bool(body.content) or not body.tool_calls
    position = await (events.append(session, run, [said]) if show else events.take_positions(session, run, 1))
    message = {"message_id": message_id, "role": "assistant", "content": body.content, "step": step}
    await repository.add_message(session, run, position, message)
    if body.tool_calls:
        calls = [
            {"step": step + 1 + offset, "turn_step": step, "tool": call.name, "arguments": call.arguments}
            for offset, call in enumerate(body.tool_calls)
        ]
        await repository.add_calls(session, run, calls)
    figures = ("finish_reason", "model", "prompt_tokens", "completion_tokens", "first_token_us", "total_us")
    values = {**body.model_dump(include=set(figures)), "calls": len(body.tool_calls)}
    await repository.finish_turn(session, run, step, values)
    return len(body.tool_calls)


def message_data(role: str, content: str, *, message_id: UUID, **extra: Any) -> dict[str, Any]:
    """Return the flat data of a `message` event."""
    return {
        "role": role,
        "content": content,
        "timestamp": clock.rfc3339(clock.now()),
        "message_id": str(message_id),
        **extra,
    }


async def _current_turn(session: WriteSession, run: RunKey, step: int, *, attempt: int) -> RowMapping:
    turn = await repository.find_turn(session, run, step, lock=True)
    if turn is None:
        raise missing("turn")
    if turn["status"] != "running":
        raise _superseded()
    _want_current(turn, attempt)
    return turn


def _want_current(row: RowMapping, attempt: int) -> None:
    if row["attempt"] != attempt:
        raise _superseded()


def _superseded() -> ConflictError:
    return ConflictError("step.superseded", "a newer attempt has taken this step", "stop this one")


async def find_call(session: ReadSession, run: RunKey, step: int) -> RowMapping:
    """Return a ledger line.

    Raises:
        NotFoundError: `tool_call.not_found`.
    """
    call = await repository.find_call(session, run, step, lock=False)
    if call is None:
        raise missing("tool_call")
    return call


def is_settled(call: RowMapping) -> bool:
    """Return whether the call has ended, in whatever way."""
    return call["status"] in SETTLED


async def decide(opa: Opa, run: RunKey, row: RowMapping, call: RowMapping) -> Decision | None:
    """Ask policy about a call; None when its arguments are no JSON object, which no policy could judge.

    Raises:
        UnavailableError: `authz.unavailable`.
    """
    arguments = _parse(call["arguments"])
    if arguments is None:
        return None
    question = {
        "organization": {"id": str(run.organization_id)},
        "execution": {"id": str(run.execution_id)},
        "agent": {"id": str(row["agent_id"]), "tools": list(row["tools"])},
        "call": {"name": call["tool"], "arguments": arguments},
    }
    return read_decision(await opa.query(TOOL_DECISION, question))


def _parse(arguments: str) -> dict[str, Any] | None:
    try:
        value = json.loads(arguments) if arguments.strip() else {}
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


async def permit(  # noqa: PLR0913  what was decided, about which call, for which attempt
    session: WriteSession, run: RunKey, row: RowMapping, step: int, *, attempt: int, decision: Decision | None
) -> PermitOut:
    """Write the decision into the ledger and the events; return it.

    Raises:
        ConflictError: `step.superseded`.
    """
    call = await repository.find_call(session, run, step, lock=True)
    if call is None:
        raise missing("tool_call")
    out = {"tool": call["tool"], "arguments": call["arguments"], "workspace": row["workspace"]}
    if is_settled(call):
        return PermitOut(state="settled", **out)
    if attempt < call["attempt"]:
        raise _superseded()
    if decision is None:
        outcome = {"status": "failed", "code": UNSOUND, "result": "the arguments are no JSON object"}
        await _settle(session, run, call, {**outcome, "attempt": attempt})
        return PermitOut(state="settled", **out)
    verdict = {"attempt": attempt, "rule": decision.rule, "policy_revision": decision.revision}
    if not decision.allow:
        await events.append(session, run, [_permit_event(call, decision)])
        await _settle(session, run, call, {**verdict, "status": "denied", "result": decision.reason})
        return PermitOut(state="settled", **out)
    started = {"status": "started", "started_at": clock.now(), "parent_workspace": row["workspace"]}
    await repository.update_call(session, run, step, {**verdict, **started})
    if call["status"] == "requested":
        await events.append(session, run, [_permit_event(call, decision), _started_event(call)])
    return PermitOut(state="allow", **out)


def _permit_event(call: RowMapping, decision: Decision) -> Event:
    data = wrapped(
        tool_name=call["tool"],
        tool_execution_id=call_id(call["step"]),
        tool_input=_parse(call["arguments"]),
        decision="permit" if decision.allow else "deny",
        rule=decision.rule,
        reason=decision.reason,
        policy_revision=decision.revision,
    )
    return Event("permit", data)


def _started_event(call: RowMapping) -> Event:
    arguments = _parse(call["arguments"])
    data = wrapped(
        tool_name=call["tool"],
        tool_execution_id=call_id(call["step"]),
        tool_input=arguments,
        tool_arguments=arguments,
    )
    return Event("tool_started", data)


async def finish_call(session: WriteSession, run: RunKey, step: int, body: CallResult) -> None:
    """Take the outcome of a permitted call in, and the snapshot it left, both or neither.

    Raises:
        ConflictError: `step.superseded`, `step.not_permitted`, `workspace.moved`.
    """
    call = await repository.find_call(session, run, step, lock=True)
    if call is None:
        raise missing("tool_call")
    if is_settled(call):
        return
    if call["status"] != "started":
        raise ConflictError("step.not_permitted", "the call has no permit", "ask for one")
    _want_current(call, body.attempt)
    if body.parent != call["parent_workspace"]:
        raise _moved()
    if not await repository.move_workspace(session, run, parent=body.parent, workspace=body.workspace):
        raise _moved()
    outcome = {"status": body.status, "result": body.content, "code": body.code or None, "workspace": body.workspace}
    await _settle(session, run, call, outcome)


def _moved() -> ConflictError:
    return ConflictError("workspace.moved", "the workspace is not where this call began", "start the call again")


async def _settle(session: WriteSession, run: RunKey, call: RowMapping, values: Mapping[str, Any]) -> None:
    """Close a ledger line, append the tool's message to the conversation, and tell both."""
    await repository.update_call(session, run, call["step"], {**values, "completed_at": clock.now()})
    message_id = new_id()
    result: str = values["result"] or ""
    told = message_data("tool", result[:SHOWN_RESULT_CHARS], message_id=message_id, tool_name=call["tool"])
    first = await events.append(session, run, [_completed_event(call, values), Event("message", told)])
    message = {"message_id": message_id, "role": "tool", "content": "", "step": call["step"]}
    await repository.add_message(session, run, first + 1, message)


def _completed_event(call: RowMapping, values: Mapping[str, Any]) -> Event:
    result: str = values["result"] or ""
    output: dict[str, Any] = {"content": result[:SHOWN_RESULT_CHARS], "truncated": len(result) > SHOWN_RESULT_CHARS}
    if values["status"] == "denied":
        output = {"denied": True, "rule": values["rule"], "reason": result}
    elif values["status"] == "failed":
        output = {"error": values["code"], "message": result}
    data = wrapped(
        tool_name=call["tool"],
        tool_execution_id=call_id(call["step"]),
        tool_output=output,
        tool_status=values["status"],
        status=values["status"],
    )
    return Event("tool_completed", data)


async def find_workspace(session: ReadSession, run: RunKey, row: RowMapping) -> RowMapping:
    """Return the snapshot an execution is at.

    Raises:
        NotFoundError: `workspace.not_found`.
    """
    snapshot = await repository.find_snapshot(session, run.organization_id, row["workspace"])
    if snapshot is None:
        raise missing("workspace")
    return snapshot
