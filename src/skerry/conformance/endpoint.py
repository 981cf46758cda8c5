"""The endpoint under trial: sends a case's requests and takes whatever comes back.

Contract: a server can answer anything; every answer, none, or a broken one becomes a Reply. Streams are put together by
the agent's own reader (agent.completion), so that a verdict speaks of what an agent would get. Only a server that is
not there at all raises, because then nothing can be said of a model.
Source: OpenAI API reference, chat completions; HTML Standard 9.2.6 for the pieces of a stream.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

from skerry.agent.completion import DONE, Answer, Collector, Lines
from skerry.agent.protocol import Call, clean
from skerry.base import clock
from skerry.base.errors import InvalidInputError, SkerryError, UnavailableError
from skerry.conformance.reply import OK, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from skerry.conformance.case import Ask

CONNECT_DEADLINE_S: Final = 10.0
ANSWER_LIMIT_BYTES: Final = 8 << 20
KEPT_CHARS: Final = 4000
"""How much of a body is kept for the report."""
JSON_TYPE: Final = "application/json"
USAGE: Final = ("prompt_tokens", "completion_tokens", "total_tokens")


class Endpoint:
    """A server's base URL (up to and with /v1), a model's name there, and the key it may ask for."""

    def __init__(
        self, base_url: str, model: str, *, key: str = "", deadline_s: float = 120.0, ca: Path | None = None
    ) -> None:
        """Make it; nothing connects before the first request.

        Args:
            base_url: `http://host:port/v1` or https.
            model: the model's name in requests.
            key: bearer token; nothing when the server asks for none.
            deadline_s: longest wait for one whole answer, in seconds.
            ca: file with the roots to trust; the system's own when None.

        Raises:
            InvalidInputError: `conformance.bad_url`, `conformance.bad_ca`.
        """
        self.base_url = base_url.rstrip("/")
        self.model = model
        self.deadline_s = deadline_s
        url = _url(self.base_url)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=httpx.Timeout(deadline_s, connect=CONNECT_DEADLINE_S),
            verify=_trust(ca),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def want_server(self) -> None:
        """Raise UnavailableError (`conformance.unreachable`) unless something takes connections there."""
        try:
            with self._http.stream("GET", "/models"):
                pass
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise UnavailableError(
                "conformance.unreachable",
                f"nothing answers at {self.base_url}: {error}",
                "check the address and that the model server runs",
            ) from error
        except httpx.HTTPError:
            return  # it is there; how badly it answers is for the cases to say

    def ask(self, ask: Ask) -> Reply:
        """Return what came back for one request."""
        start = clock.monotonic()
        try:
            with self._http.stream(ask.method, ask.path, content=self._body(ask), headers=_headers(ask)) as answer:
                reply = self._take(ask, answer, start)
        except httpx.TimeoutException:
            reply = Reply(failure=f"no answer within {self.deadline_s:g} s", late=True)
        except _TooLongError:
            reply = Reply(failure=f"the answer passed {ANSWER_LIMIT_BYTES >> 20} MiB")
        except httpx.HTTPError as error:
            reply = Reply(failure=f"the connection broke: {type(error).__name__}")
        return replace(reply, seconds=clock.monotonic() - start)

    def _body(self, ask: Ask) -> bytes | None:
        if ask.method == "GET" or ask.body is not None:
            return ask.body
        fields: dict[str, Any] = {
            "model": self.model,
            "messages": ask.messages,
            "max_tokens": ask.max_tokens,
            "temperature": 0,
            "stream": ask.stream,
        }
        if ask.stream:
            fields["stream_options"] = {"include_usage": True}
        if ask.tools:
            fields["tools"] = ask.tools
        fields.update(ask.settings)
        sent = {name: value for name, value in fields.items() if value is not None}
        return json.dumps(sent, ensure_ascii=ask.escaped).encode()

    def _take(self, ask: Ask, answer: httpx.Response, start: float) -> Reply:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        head = Reply(status=answer.status_code, content_type=kind)
        if ask.stream and answer.status_code == OK:
            return self._stream(ask, head, _lines(answer, start, self.deadline_s), start)
        body = b"".join(_pieces(answer, start, self.deadline_s))
        text = body.decode(errors="replace")
        try:
            data = json.loads(body)
        except ValueError:
            missing = "" if answer.status_code != OK else f"the answer is no JSON but {kind or 'of no type'}"
            return replace(head, text=clean(text[:KEPT_CHARS]), failure=missing)
        return replace(head, text=clean(text[:KEPT_CHARS]), data=data, answer=read_answer(data))

    @staticmethod
    def _stream(ask: Ask, head: Reply, lines: Iterator[str], start: float) -> Reply:
        collector, kept, done = Collector(start), "", False
        events: list[Mapping[str, Any]] = []
        for line in lines:
            kept = (kept + line + "\n")[:KEPT_CHARS] if len(kept) < KEPT_CHARS else kept
            payload = line.removeprefix("data:").strip() if line.startswith("data:") else ""
            if payload and payload != DONE:
                missed, event = read_event(payload)
                if missed:
                    return replace(head, failure=missed, text=clean(kept), events=tuple(events))
                events.append(event)
            done = done or payload == DONE
            try:
                collector.take(line)
            except SkerryError as error:
                return replace(head, failure=error.message, text=clean(kept), events=tuple(events))
            if events and ask.hang_up:
                return replace(head, text=clean(kept), events=tuple(events))
        whole = replace(head, text=clean(kept), events=tuple(events), done=done)
        try:
            return replace(whole, answer=collector.answer())
        except SkerryError as error:
            return replace(whole, failure=error.message)


class _TooLongError(Exception):
    pass


def _url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise InvalidInputError("conformance.bad_url", f"{base_url!r} is no URL", "give http://HOST:PORT/v1") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise InvalidInputError("conformance.bad_url", f"{base_url!r} is no http URL", "give http://HOST:PORT/v1")
    return url


def _trust(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except OSError as error:
        raise InvalidInputError(
            "conformance.bad_ca", f"{ca} holds no certificate that can be read", "give the root in PEM form"
        ) from error


def _headers(ask: Ask) -> Mapping[str, str]:
    accept = {"accept": "text/event-stream" if ask.stream else JSON_TYPE}
    return accept if ask.method == "GET" else {**accept, "content-type": JSON_TYPE}


def _pieces(answer: httpx.Response, start: float, deadline_s: float) -> Iterator[bytes]:
    taken = 0
    for piece in answer.iter_bytes():
        taken += len(piece)
        if clock.monotonic() - start > deadline_s:
            raise httpx.ReadTimeout("the whole answer took too long", request=answer.request)
        if taken > ANSWER_LIMIT_BYTES:
            raise _TooLongError
        yield piece


def _lines(answer: httpx.Response, start: float, deadline_s: float) -> Iterator[str]:
    lines = Lines()
    for piece in _pieces(answer, start, deadline_s):
        yield from lines.take(piece)
    yield from lines.take(b"\n")


def read_event(payload: str) -> tuple[str, Mapping[str, Any]]:
    """Return what is wrong with one piece of a stream, in words (nothing when it is sound), and the piece."""
    try:
        event = json.loads(payload)
    except ValueError:
        return "a piece of the stream is no JSON", {}
    if not isinstance(event, dict):
        return "a piece of the stream is no object", {}
    return _event_fault(event), event


def _event_fault(event: Mapping[str, Any]) -> str:
    choices, usage = event.get("choices") or [], event.get("usage") or {}
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        return "the `choices` of a piece are no list of objects"
    if not isinstance(usage, dict) or not all(isinstance(usage.get(name) or 0, int) for name in USAGE):
        return "the `usage` of a piece is no object with whole numbers"
    for choice in choices:
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict) or not isinstance(delta.get("content") or "", str):
            return "the `delta` of a piece is no object with text as `content`"
        if fault := _calls_fault(delta.get("tool_calls") or []):
            return fault
    return ""


def _calls_fault(calls: Any) -> str:
    if not isinstance(calls, list):
        return "`tool_calls` is no list"
    for call in calls:
        function = call.get("function") or {} if isinstance(call, dict) else None
        if not isinstance(function, dict):
            return "an entry of `tool_calls` is no object with a `function`"
        texts = (call.get("id"), function.get("name"), function.get("arguments"))
        if not all(text is None or isinstance(text, str) for text in texts):
            return "id, name and arguments of a call are not all text"
        if not isinstance(call.get("index") or 0, int):
            return "the index of a call is no number"
    return ""


def read_answer(data: Any) -> Answer:
    """Return the answer that a whole body carries, as far as it can be read; its shape is for the cases to judge."""
    answer = Answer()
    if not isinstance(data, dict):
        return answer
    usage = data.get("usage")
    if isinstance(usage, dict):
        answer.prompt_tokens, answer.completion_tokens = (
            value if isinstance(value := usage.get(name), int) else 0 for name in USAGE[:2]
        )
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return answer
    answer.finish_reason = str(choice.get("finish_reason") or "")
    answer.content = clean(content) if isinstance(content := message.get("content"), str) else ""
    calls = message.get("tool_calls") or []
    if not _calls_fault(calls):
        answer.calls = [_call(call) for call in calls]
    return answer


def _call(call: Mapping[str, Any]) -> Call:
    function = call.get("function") or {}
    return Call(call.get("id") or "", clean(function.get("name") or ""), clean(function.get("arguments") or ""))
