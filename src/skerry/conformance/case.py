"""What a case is: requests, what is wanted of the answers, and the verdict.

Contract: a case is data. It asks by `steps` (requests, or functions that make one from the replies so far) and its
`check` is a pure function of the replies. `protocol` cases hold for any model behind a sound server, also an untrained
one; `ability` cases ask what the model can do. A case that does not count is reported and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from skerry.conformance.reply import Reply

Kind = Literal["protocol", "ability"]
Outcome = Literal["pass", "fail", "skip"]
Message = Mapping[str, Any]
Tool = Mapping[str, Any]
Test = Callable[[Reply], str]
"""What is missed in one reply, in words; nothing when all is as wanted."""

SHORT_TOKENS: Final = 24
"""Longest answer asked for where only the protocol matters. Under 30: from a token that comes 30 times in a row Ollama
breaks an answer off without an end, and an untrained model says such things."""


@dataclass(frozen=True)
class Ask:
    """One request.

    Args:
        messages: the conversation, in the API's shape.
        tools: what is offered.
        stream: ask for pieces.
        max_tokens: longest answer.
        settings: fields over the usual ones (model, messages, max_tokens, temperature 0); None leaves one out.
        path: under the base URL; `method` goes with it.
        body: sent as it is, in place of everything above.
        escaped: write letters beyond ASCII as JSON escapes.
        hang_up: close the connection after the first piece.
    """

    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    stream: bool = False
    max_tokens: int = SHORT_TOKENS
    settings: Mapping[str, Any] = field(default_factory=dict)
    path: str = "/chat/completions"
    method: str = "POST"
    body: bytes | None = None
    escaped: bool = False
    hang_up: bool = False


@dataclass(frozen=True)
class Verdict:
    """How a case ended; the reason of a failure names what was wanted and what came, a pass may carry a note."""

    outcome: Outcome
    reason: str = ""


Step = Ask | Callable[[tuple[Reply, ...]], Ask | None]
Check = Callable[[tuple[Reply, ...]], Verdict]


@dataclass(frozen=True)
class Case:
    """One case; its id is `group.name`.

    Args:
        id: stable once released: reports are compared by it.
        kind: whose fault a failure is: the server's (`protocol`) or the model's (`ability`).
        wants: what is asked of the endpoint, in one sentence.
        steps: asked one after the other; a function that returns None ends them (the check then sees fewer replies).
        check: the verdict on the replies.
        counts: whether admission depends on it.
        at_once: ask all steps at the same time.
    """

    id: str
    kind: Kind
    wants: str
    steps: tuple[Step, ...]
    check: Check
    counts: bool = True
    at_once: bool = False

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]


@dataclass(frozen=True)
class Subject:
    """What is tried: the model's name, tokens of its context, and of the longest answer of an ability case."""

    model: str
    context_tokens: int
    answer_tokens: int


def judge(missed: str, *, note: str = "") -> Verdict:
    """Return the verdict: failed by what was missed, passed when that is nothing."""
    return Verdict("fail", missed) if missed else Verdict("pass", note)


def every(*tests: Test) -> Check:
    """Return a check that wants every test of every reply; the first miss is told."""

    def check(replies: tuple[Reply, ...]) -> Verdict:
        return judge(next((missed for reply in replies for test in tests if (missed := test(reply))), ""))

    return check


def system(text: str) -> Message:
    """Return a system message."""
    return {"role": "system", "content": text}


def user(text: str) -> Message:
    """Return a person's message."""
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    """Return an answer of the model."""
    return {"role": "assistant", "content": text}


def called(*calls: tuple[str, str, str], text: str | None = None) -> Message:
    """Return the model's message that calls tools, each as (id, name, arguments as JSON text)."""
    shown = [
        {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}
        for identifier, name, arguments in calls
    ]
    return {"role": "assistant", "content": text, "tool_calls": shown}


def tool_result(identifier: str, text: str) -> Message:
    """Return a tool's result."""
    return {"role": "tool", "tool_call_id": identifier, "content": text}


def offer(name: str, description: str, properties: Mapping[str, Any], *, required: tuple[str, ...] = ()) -> Tool:
    """Return a tool's definition; all properties are required unless `required` names some."""
    parameters = {"type": "object", "properties": dict(properties), "required": list(required or properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}
