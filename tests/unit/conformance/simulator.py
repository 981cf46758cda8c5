"""A simulator of a model server: the chat completions API over HTTP, sound unless told to have a fault.

A token is a word with the blanks after it. What the model says is given by a function of the request.
"""

from __future__ import annotations

import json
import re
import select
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = "sim/one"
KEY = "sim-key"
CONTEXT_TOKENS = 256
CALL_TOKENS = 8
STALL_S = 3.0
LEAVING_S = 0.05
HELLO = "I am a simulator, and I answer what I am asked in a few plain words."
NUMBERS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
REQUEST_LIMIT = 2


@dataclass(frozen=True)
class Said:
    """What the model says: text, and calls as (name, arguments as text)."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    cut: bool = False


def weather(body: dict[str, Any]) -> Said:
    """Answer the protocol cases: call what is asked for, count, greet."""
    last = body["messages"][-1]
    names = {tool["function"]["name"] for tool in body.get("tools") or []}
    if names and body.get("tool_choice") != "none" and last["role"] == "user":
        if "weather in Oslo" in last["content"] and "get_weather" in names:
            return Said(calls=(("get_weather", '{"city": "Oslo"}'),))
        if "note" in last["content"] and "write_note" in names:
            return Said(calls=(("write_note", '{"text": "buy milk"}'),))
    if last["role"] == "tool":
        return Said("It is 4 degrees.")
    return Said(NUMBERS if "Count" in str(last["content"]) else f"{HELLO} {last['content']}"[:300])


def tokens(text: str) -> list[str]:
    """Part a text into tokens."""
    return re.findall(r"\S+\s*|\s+", text)


@dataclass
class Simulator:
    """Its model, its faults by name, and what it has seen."""

    says: Callable[[dict[str, Any]], Said] = weather
    faults: frozenset[str] = frozenset()
    key: str = ""
    seen: list[dict[str, Any]] = field(default_factory=list)
    busy: int = 0
    hung: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def has(self, *names: str) -> bool:
        """Return whether it has one of these faults."""
        return bool(self.faults & set(names))

    def prompt_tokens(self, body: dict[str, Any]) -> int:
        """Count what the model is shown."""
        messages = [
            message
            for message in body["messages"]
            if not (self.has("system_dropped") and message["role"] == "system")
            and not (self.has("results_dropped") and message["role"] == "tool")
        ]
        shown = messages if self.has("tools_dropped") else [*messages, *(body.get("tools") or [])]
        return sum(len(tokens(json.dumps(each, ensure_ascii=False))) for each in shown)

    def fault_of(self, body: dict[str, Any]) -> tuple[int, str] | None:
        """Return status and words of a refusal."""
        messages = body.get("messages")
        if body.get("model") != MODEL or self.has("model_gone"):
            return (404, "no such model")
        if not isinstance(messages, list) or not messages:
            told = (500, "nothing to do") if self.has("empty_500") else (400, "messages must be a list with an entry")
            return None if self.has("lenient") else told
        if not isinstance(body.get("temperature", 0), int | float):
            return None if self.has("lenient") else (400, "temperature must be a number")
        if body.get("tools") and self.has("tools_refused"):
            return (400, f"{MODEL} does not support tools")
        if self.has("strict") and "skerry_unknown_field" in body:
            return (500, "unknown field")
        return self._content_fault(messages)

    def _content_fault(self, messages: list[dict[str, Any]]) -> tuple[int, str] | None:
        for message in messages:
            for call in message.get("tool_calls") or []:
                try:
                    json.loads(call["function"]["arguments"])
                except ValueError:
                    return (500 if self.has("history_500") else 400, "arguments are no JSON")
            if "\0" in str(message["content"]) and self.has("nul_500"):
                return (500, "invalid byte")
        if sum(len(tokens(str(message["content"]))) for message in messages) > CONTEXT_TOKENS:
            if self.has("long_500"):
                return (500, "out of memory")
            return None if self.has("long_cut") else (400, "the prompt is longer than the context")
        return None

    def answer(self, body: dict[str, Any]) -> tuple[list[str], list[dict[str, Any]], str, int]:
        """Return pieces of the text, calls, the finish reason and the count of tokens."""
        said = self.says(body)
        limit = 10_000 if self.has("limit_ignored") else body["max_tokens"]
        if said.calls:
            return self._called(said, limit)
        text, reason = said.text, "length" if said.cut else "stop"
        for stop in [] if self.has("stop_ignored") else _stops(body):
            if stop in text:
                text, reason = text[: text.index(stop) + (len(stop) if self.has("stop_kept") else 0)], "stop"
        pieces = tokens(text)
        if len(pieces) > limit:
            pieces, reason = pieces[:limit], "length"
        return pieces, [], reason, max(1, len(pieces))

    def _called(self, said: Said, limit: int) -> tuple[list[str], list[dict[str, Any]], str, int]:
        if self.has("call_as_text"):
            name, arguments = said.calls[0]
            text = f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'
            return tokens(text)[:limit], [], "stop", CALL_TOKENS
        if limit < CALL_TOKENS:
            return [], [], "length", limit
        calls = [
            {
                "id": "call_x" if self.has("same_id") else f"call_{n}",
                "type": "function",
                "function": {"name": name, "arguments": "{'city'" if self.has("arguments_cut") else arguments},
            }
            for n, (name, arguments) in enumerate(said.calls)
        ]
        return [], calls, "stop" if self.has("calls_stop") else "tool_calls", CALL_TOKENS


def _stops(body: dict[str, Any]) -> list[str]:
    stop = body.get("stop") or []
    return [stop] if isinstance(stop, str) else stop


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    simulator: Simulator

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _send(self, status: int, data: Any, *, kind: str = "application/json") -> None:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, text: str) -> None:
        if self.simulator.has("errors_text"):
            self._send(status, text.encode(), kind="text/plain")
        else:
            self._send(status, {"error": {"message": text, "type": "invalid_request_error"}})

    def _admits(self) -> bool:
        key = "another" if self.simulator.has("key_refused") else self.simulator.key
        return not key or self.headers.get("authorization") == f"Bearer {key}"

    def do_GET(self) -> None:
        """List the models."""
        if not self._admits():
            self._refuse(401, "no key")
        elif self.simulator.has("list_empty"):
            self._send(200, {"object": "list", "data": None})
        else:
            name = "other" if self.simulator.has("list_other") else MODEL
            self._send(200, {"object": "list", "data": [{"id": name, "object": "model"}]})

    def do_POST(self) -> None:
        """Answer a chat completion."""
        sim = self.simulator
        with sim.lock:
            sim.busy += 1
            many = sim.busy > REQUEST_LIMIT
        try:
            raw = self.rfile.read(int(self.headers["content-length"]))
            if sim.has("busy"):
                time.sleep(0.05)
            if sim.has("busy") and many:
                self._refuse(503, "busy")
            elif not self._admits():
                self._refuse(401, "no key")
            else:
                self._complete(raw)
        except (BrokenPipeError, ConnectionResetError):
            sim.hung = True
            self.close_connection = True
        finally:
            with sim.lock:
                sim.busy -= 1

    def _complete(self, raw: bytes) -> None:
        sim = self.simulator
        if sim.has("dead"):
            self._refuse(500, "unable to load model: tensor offset+size exceeds file size")
        elif sim.has("stall"):
            time.sleep(STALL_S)
        elif sim.hung and sim.has("hang_up_fatal"):
            self._refuse(500, "the runner has gone")
        else:
            self._answer(raw.decode("latin-1" if sim.has("mangled") else "utf-8"))

    def _answer(self, text: str) -> None:
        sim = self.simulator
        try:
            body = json.loads(text)
        except ValueError:
            if not sim.has("lenient"):
                self._refuse(400, "the body is no JSON")
                return
            body = {"model": MODEL, "messages": [{"role": "user", "content": "?"}]}
        sim.seen.append(body)
        if fault := sim.fault_of(body):
            self._refuse(*fault)
            return
        body.setdefault("max_tokens", 64)
        if sim.has("choice_ignored"):
            body.pop("tool_choice", None)
        if not isinstance(body.get("messages"), list) or not body["messages"]:
            body["messages"] = [{"role": "user", "content": "?"}]
        pieces, calls, reason, count = sim.answer(body)
        prompt = sim.prompt_tokens(body)
        usage = {"prompt_tokens": prompt, "completion_tokens": count, "total_tokens": prompt + count}
        if sim.has("usage_wrong"):
            usage["total_tokens"] += 1
        if body.get("stream"):
            self._stream(pieces, calls, reason, usage)
        else:
            self._whole("".join(pieces), calls, reason, usage)

    def _whole(self, text: str, calls: list[dict[str, Any]], reason: str, usage: dict[str, int]) -> None:
        sim = self.simulator
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls:
            message |= {"content": None, "tool_calls": calls}
        answer: dict[str, Any] = {
            "id": "chatcmpl-1",
            "object": "text" if sim.has("object_wrong") else "chat.completion",
            "created": 1,
            "model": MODEL,
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        }
        if not sim.has("usage_none"):
            answer["usage"] = usage
        if sim.has("html"):
            self._send(200, b"<html>welcome</html>", kind="text/html")
        else:
            self._send(200, answer)

    def _stream(self, pieces: list[str], calls: list[dict[str, Any]], reason: str, usage: dict[str, int]) -> None:
        sim = self.simulator
        self.send_response(200)
        self.send_header("content-type", "text/plain" if sim.has("stream_type") else "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        if sim.has("one_piece"):
            pieces = ["".join(pieces)]
        if sim.has("stream_differs"):
            pieces = [*pieces, "!"]
        deltas: list[dict[str, Any]] = [{"content": piece} for piece in pieces]
        for n, call in enumerate(calls):
            deltas.append({"tool_calls": [{"index": n, **call}]})
        for n, delta in enumerate(deltas):
            if sim.has("stream_cut") and n == len(deltas) // 2:
                return
            identifier = f"chatcmpl-{n}" if sim.has("stream_ids") else "chatcmpl-1"
            self._event(delta, None, identifier)
        if sim.has("stream_json"):
            self.wfile.write(b"data: {oops\n\n")
        self._event({}, reason, "chatcmpl-1")
        if not sim.has("stream_usage"):
            self._event(None, None, "chatcmpl-1", usage=usage)
        if not sim.has("stream_open"):
            self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, delta: Any, reason: str | None, identifier: str, **more: Any) -> None:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
        head = {"id": identifier, "object": "chat.completion.chunk", "created": 1, "model": MODEL}
        self.wfile.write(b"data: " + json.dumps({**head, "choices": choices, **more}).encode() + b"\n\n")
        self.wfile.flush()
        if self.simulator.has("hang_up_fatal") and self._caller_left():
            raise BrokenPipeError

    def _caller_left(self) -> bool:
        ready, _, _ = select.select([self.connection], [], [], LEAVING_S)
        return bool(ready) and not self.connection.recv(1, socket.MSG_PEEK)


@contextmanager
def serving(simulator: Simulator) -> Iterator[str]:
    """Serve it on a loopback port; give the base URL."""
    handler = type("Handler", (_Handler,), {"simulator": simulator})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
