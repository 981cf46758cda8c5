"""One model call: the chat completions API of LiteLLM, streamed, collected into one answer.

Contract: what the model says is data, however odd: nothing at all, text before a call, arguments that are no JSON, a
tool nobody has. Only a stream that breaks before its end is a failure (`model.stream_cut`), because half an answer is
not an answer.
Source: the `chat.completion.chunk` objects of the OpenAI API, as LiteLLM sends them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx

from skerry.agent import prompts
from skerry.agent.api import unreachable
from skerry.agent.protocol import Call, clean
from skerry.base import clock
from skerry.base.errors import InvalidInputError, UnauthenticatedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from skerry.agent.protocol import Message, Outcome, Turn

CONNECT_DEADLINE_S: Final = 3.0
SILENCE_DEADLINE_S: Final = 60.0
"""Longest pause between two pieces of an answer; the first may take that long too (a model being loaded)."""
ANSWER_LIMIT_CHARS: Final = 1_000_000
CALLS_LIMIT: Final = 16
"""Most tool calls taken from one answer; the rest is dropped and the model sees only the results of these."""
DONE: Final = "[DONE]"


@dataclass
class Answer:
    """A whole answer with its figures: tokens as the server counted them, times in microseconds."""

    content: str = ""
    calls: list[Call] = field(default_factory=list)
    finish_reason: str = ""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_us: int = 0
    total_us: int = 0


def render_messages(turn: Turn) -> list[dict[str, Any]]:
    """Return the conversation in the shape of the chat completions API."""
    return [
        {"role": "system", "content": prompts.render_system(turn.system_prompt)},
        *(_render(message) for message in turn.messages),
    ]


def _render(message: Message) -> dict[str, Any]:
    if message.outcome is not None:
        return {"role": "tool", "tool_call_id": message.call_id, "content": render_outcome(message.outcome)}
    if not message.calls:
        return {"role": message.role, "content": message.content}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _sound(call.arguments)}}
        for call in message.calls
    ]
    return {"role": message.role, "content": message.content, "tool_calls": calls}


def render_outcome(outcome: Outcome) -> str:
    """Return a tool call's outcome as the model is told it."""
    if outcome.status == "denied":
        return prompts.render_denial(outcome.code, outcome.content)
    if outcome.status == "failed":
        return prompts.render_error(outcome.code, outcome.content)
    return prompts.render_result(outcome.content)


def _sound(arguments: str) -> str:
    # Servers parse the arguments of earlier calls again and refuse the request when they are cut: the model then is
    # shown an empty object where it wrote no JSON, and the error that followed.
    return arguments if parse_arguments(arguments) is not None else "{}"


def parse_arguments(text: str) -> dict[str, Any] | None:
    """Return the object that a model wrote as arguments (nothing at all is an empty one), or None when it is none."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


class ModelClient:
    """LiteLLM, asked with the worker's own short-lived token."""

    def __init__(self, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = ""
        self.token = ""
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(SILENCE_DEADLINE_S, connect=CONNECT_DEADLINE_S), transport=transport, trust_env=False
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def complete(self, turn: Turn, say: Callable[[str], Awaitable[None]]) -> Answer:
        """Ask for one answer; `say` gets its text piece by piece as it comes.

        Raises:
            UnavailableError: `model.unreachable`, `model.stream_cut`, `model.failed` (the server said 5xx).
            InvalidInputError: `model.refused` (4xx: the request itself), `model.too_long`.
        """
        start = clock.monotonic()
        collector = Collector(start)
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.url}/chat/completions"
        try:
            async with self._http.stream("POST", url, json=render_request(turn), headers=headers) as reply:
                if reply.is_error:
                    await reply.aread()
                    raise _refusal(reply)
                lines = Lines()
                async for piece in reply.aiter_bytes():
                    for line in lines.take(piece):
                        if text := collector.take(line):
                            await say(text)
        except httpx.ConnectError as error:
            raise unreachable("LiteLLM", error) from error
        except httpx.HTTPError as error:
            raise UnavailableError("model.stream_cut", f"the answer broke off: {type(error).__name__}") from error
        return collector.answer()


def render_request(turn: Turn) -> dict[str, Any]:
    """Return the body of the request that asks for the turn's answer, streamed."""
    body: dict[str, Any] = {
        "model": turn.model,
        "messages": render_messages(turn),
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": turn.max_tokens,
        "temperature": turn.temperature,
    }
    tools = [prompts.TOOLS[name] for name in turn.tools if name in prompts.TOOLS]
    return {**body, "tools": tools} if tools else body


def _refusal(reply: httpx.Response) -> Exception:
    if reply.status_code == httpx.codes.UNAUTHORIZED:
        return UnauthenticatedError("model.unauthorized", "LiteLLM refused this worker's token")
    if reply.status_code == httpx.codes.TOO_MANY_REQUESTS or reply.is_server_error:
        return UnavailableError("model.failed", f"LiteLLM answered {reply.status_code}")
    return InvalidInputError("model.refused", f"LiteLLM answered {reply.status_code}", "see LiteLLM's log")


class Lines:
    """Parts a stream at line feeds only: JSON may hold U+0085 and U+2028 as they are, where httpx would part too."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, piece: bytes) -> list[str]:
        """Return the lines that `piece` completes, without their ends."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return [line.decode(errors="replace").removesuffix("\r") for line in lines]


class Collector:
    """Puts the pieces of a streamed answer together."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._answer = Answer()
        self._parts: list[str] = []
        self._chars = 0
        self._calls: list[dict[str, str]] = []
        self._ended = False

    def take(self, line: str) -> str:
        """Take one line of the stream; return the text it adds to the answer."""
        if not line.startswith("data:"):
            return ""
        payload = line.removeprefix("data:").strip()
        if payload == DONE:
            self._ended = True
            return ""
        try:
            event = json.loads(payload)
        except ValueError as error:
            raise UnavailableError("model.stream_cut", "a piece of the answer is no JSON") from error
        if not isinstance(event, dict):
            raise UnavailableError("model.stream_cut", "a piece of the answer is no object")
        if "error" in event:
            raise UnavailableError("model.failed", "LiteLLM reported an error inside the answer")
        return self._take_event(event)

    def _take_event(self, event: Mapping[str, Any]) -> str:
        self._answer.model = event.get("model") or self._answer.model
        if usage := event.get("usage"):
            self._answer.prompt_tokens = int(usage.get("prompt_tokens") or 0)
            self._answer.completion_tokens = int(usage.get("completion_tokens") or 0)
        choices: Sequence[Mapping[str, Any]] = event.get("choices") or ()
        if not choices:
            return ""
        choice = choices[0]
        self._answer.finish_reason = choice.get("finish_reason") or self._answer.finish_reason
        delta: Mapping[str, Any] = choice.get("delta") or {}
        for piece in delta.get("tool_calls") or ():
            self._take_call(piece)
        text = clean(delta.get("content") or "")
        if (text or self._calls) and not self._answer.first_token_us:
            self._answer.first_token_us = _microseconds(self._start)
        self._chars += len(text)
        self._parts.append(text)
        if self._chars > ANSWER_LIMIT_CHARS:
            raise InvalidInputError("model.too_long", f"the answer passed {ANSWER_LIMIT_CHARS} characters")
        return text

    def _take_call(self, piece: Mapping[str, Any]) -> None:
        call = self._find_call(int(piece.get("index") or 0), piece.get("id") or "")
        function: Mapping[str, Any] = piece.get("function") or {}
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        self._chars += len(name) + len(arguments)
        call["name"] += clean(name)
        call["arguments"] += clean(arguments)

    def _find_call(self, index: int, identifier: str) -> dict[str, str]:
        # Pieces of one call share an index; some servers give every whole call index 0 and an id of its own.
        for call in reversed(self._calls):
            if call["index"] == str(index) and identifier in ("", call["id"]):
                return call
        call = {"index": str(index), "id": identifier, "name": "", "arguments": ""}
        self._calls.append(call)
        return call

    def answer(self) -> Answer:
        """Return the whole answer.

        Raises:
            UnavailableError: `model.stream_cut` when the server never said how it ended.
        """
        if not (self._ended or self._answer.finish_reason):
            raise UnavailableError("model.stream_cut", "the answer ended without saying so")
        answer = self._answer
        answer.content = "".join(self._parts)
        answer.calls = [
            Call(call["id"] or f"call_{n}", call["name"], call["arguments"])
            for n, call in enumerate(self._calls[:CALLS_LIMIT])
        ]
        answer.total_us = _microseconds(self._start)
        return answer


def _microseconds(start: float) -> int:
    return int((clock.monotonic() - start) * 1_000_000)
