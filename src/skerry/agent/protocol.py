"""What passes between a worker and the API, as frozen objects parsed from JSON.

Contract: a field that is missing or of another type is `protocol.shape`: the two sides are of different versions, and
guessing would be worse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from skerry.base.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

UNSOUND: Final = re.compile("[\0\ud800-\udfff]")
REGULAR_FILE_MODES: Final = frozenset({0o644, 0o755})


@dataclass(frozen=True)
class Registration:
    """What a worker learns when it registers or renews: who it is and the tokens of its three doors."""

    worker_id: str
    organization_id: str
    task_queue: str
    namespace: str
    temporal_host: str
    temporal_token: str
    litellm_url: str
    litellm_token: str
    api_token: str
    expires_in_s: int
    heartbeat_s: int


@dataclass(frozen=True)
class Call:
    """A tool call as the model wrote it. `arguments` is text: a model may write anything."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Message:
    """One message of the conversation. A tool's message carries an outcome instead of content."""

    role: Literal["user", "assistant", "tool"]
    content: str
    calls: tuple[Call, ...] = ()
    call_id: str = ""
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Outcome:
    """How a tool call ended: `completed` has content, `denied` a rule and a reason, `failed` a code and a message."""

    status: Literal["completed", "denied", "failed"]
    content: str = ""
    code: str = ""


@dataclass(frozen=True)
class Turn:
    """A turn to take (or, when `done`, one that has been taken already and only has to be reported again)."""

    done: bool
    calls: int
    message_id: str
    model: str
    system_prompt: str
    max_tokens: int
    temperature: float
    tools: tuple[str, ...]
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Permit:
    """The API's word on a tool call: `allow` it, or it is already `settled` (denied, failed or done before)."""

    state: Literal["allow", "settled"]
    tool: str
    arguments: str
    workspace: str


@dataclass(frozen=True)
class Entry:
    """One file of a workspace's snapshot."""

    path: str
    mode: int
    size: int
    sha256: str


def parse_registration(data: Mapping[str, Any]) -> Registration:
    """Return the answer of `start` or `renew`."""
    return Registration(
        worker_id=want(data, "worker_id", str),
        organization_id=want(data, "organization_uuid", str),
        task_queue=want(data, "task_queue_name", str),
        namespace=want(data, "temporal_namespace", str),
        temporal_host=want(data, "temporal_host", str),
        temporal_token=want(data, "temporal_api_key", str),
        litellm_url=want(data, "litellm_api_url", str).rstrip("/"),
        litellm_token=want(data, "litellm_api_key", str),
        api_token=want(data, "worker_token", str),
        expires_in_s=want(data, "expires_in", int),
        heartbeat_s=want(data, "heartbeat_interval", int),
    )


def parse_turn(data: Mapping[str, Any]) -> Turn:
    """Return the turn a worker is given to take."""
    return Turn(
        done=want(data, "done", bool),
        calls=want(data, "calls", int),
        message_id=want(data, "message_id", str),
        model=want(data, "model", str),
        system_prompt=want(data, "system_prompt", str),
        max_tokens=want(data, "max_tokens", int),
        temperature=float(want(data, "temperature", (int, float))),
        tools=tuple(want(data, "tools", list)),
        messages=tuple(_parse_message(item) for item in want(data, "messages", list)),
    )


def _parse_message(data: Mapping[str, Any]) -> Message:
    outcome = data.get("outcome")
    return Message(
        role=want(data, "role", str),
        content=want(data, "content", str),
        calls=tuple(
            Call(want(item, "id", str), want(item, "name", str), want(item, "arguments", str))
            for item in data.get("tool_calls") or ()
        ),
        call_id=data.get("tool_call_id") or "",
        outcome=None
        if outcome is None
        else Outcome(want(outcome, "status", str), want(outcome, "content", str), want(outcome, "code", str)),
    )


def parse_permit(data: Mapping[str, Any]) -> Permit:
    """Return the API's word on a tool call."""
    return Permit(
        state=want(data, "state", str),
        tool=want(data, "tool", str),
        arguments=want(data, "arguments", str),
        workspace=want(data, "workspace", str),
    )


def parse_tree(data: Mapping[str, Any]) -> dict[str, Entry]:
    """Return a snapshot's files by path; an entry that is no plain file (a link's mode, say) is refused."""
    entries: dict[str, Entry] = {}
    for item in want(data, "entries", list):
        entry = Entry(
            want(item, "path", str), want(item, "mode", int), want(item, "size", int), want(item, "sha256", str)
        )
        if entry.mode not in REGULAR_FILE_MODES:
            raise UnavailableError("protocol.shape", f"mode {entry.mode:o} of a snapshot's file", "update the worker")
        entries[entry.path] = entry
    return entries


def want(data: Mapping[str, Any], name: str, kind: type[T] | tuple[type[T], ...]) -> Any:
    """Return `data[name]` when it is there and of the type; raise UnavailableError (`protocol.shape`) when not."""
    value = data.get(name)
    if isinstance(value, kind) and (not isinstance(value, bool) or kind is bool):
        return value
    raise UnavailableError("protocol.shape", f"{name!r} is missing or of another type", "update the worker")


def clean(text: str) -> str:
    """Return text that UTF-8 and PostgreSQL can hold: NUL and lone surrogates become U+FFFD."""
    return UNSOUND.sub("\ufffd", text)
