"""Whatever a server sends becomes a reply; only a server that is not there is an error."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.conformance.simulator import MODEL, Simulator, serving

from skerry.base.errors import InvalidInputError, UnavailableError
from skerry.conformance import endpoint as endpoint_module
from skerry.conformance.case import SHORT_TOKENS, Ask, user
from skerry.conformance.endpoint import Endpoint, read_answer, read_event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from skerry.conformance.reply import Reply

HELLO = Ask((user("Hello"),))
STREAM = Ask((user("Hello"),), stream=True)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def take_request(connection: socket.socket) -> None:
    """Read a whole request: closing with a part of it unread would reset the connection and lose the answer."""
    taken = b""
    while b"\r\n\r\n" not in taken:
        taken += connection.recv(65536)
    head, _, body = taken.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
    while len(body) < int(fields.get(b"content-length", b"0")):
        body += connection.recv(65536)


@contextmanager
def saying(*pieces: bytes, pause_s: float = 0.0) -> Iterator[str]:
    """Serve one connection that gets these bytes, then is closed after a pause."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            take_request(connection)
            for piece in pieces:
                connection.sendall(piece)
            done.wait(pause_s)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        done.set()
        thread.join()
        listener.close()


def ask(url: str, what: Ask, *, deadline_s: float = 5.0) -> Reply:
    with Endpoint(url, "m", deadline_s=deadline_s) as endpoint:
        return endpoint.ask(what)


def test_the_request() -> None:
    simulator = Simulator(key="secret")
    with serving(simulator) as url, Endpoint(f"{url}/", MODEL, key="secret") as endpoint:
        endpoint.want_server()
        assert endpoint.ask(HELLO).came
        assert endpoint.ask(STREAM).done
    plain, streamed = simulator.seen
    assert plain == {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": SHORT_TOKENS,
        "temperature": 0,
        "stream": False,
    }
    assert streamed["stream_options"] == {"include_usage": True}


def test_settings_go_over_the_usual_fields() -> None:
    simulator = Simulator()
    with serving(simulator) as url, Endpoint(url, MODEL) as endpoint:
        endpoint.ask(Ask((user("Hi"),), settings={"temperature": None, "max_tokens": 3, "stop": ["x"]}))
    assert "temperature" not in simulator.seen[0]
    assert (simulator.seen[0]["max_tokens"], simulator.seen[0]["stop"]) == (3, ["x"])


def test_silence_in_the_middle() -> None:
    piece = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'
    with saying(HEAD, piece, pause_s=5.0) as url:
        reply = ask(url, STREAM, deadline_s=0.2)
    assert (reply.late, reply.failure) == (True, "no answer within 0.2 s")


def test_an_answer_that_drips_for_ever() -> None:
    with saying(HEAD, *[b": still here\n"] * 3, pause_s=0.3) as url:
        reply = ask(url, STREAM, deadline_s=0.1)
    assert reply.late


def test_a_connection_that_breaks() -> None:
    with saying(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{") as url:
        assert ask(url, HELLO).failure == "the connection broke: RemoteProtocolError"
    with saying() as url:
        assert ask(url, HELLO).failure.startswith("the connection broke: ")


def test_an_answer_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "ANSWER_LIMIT_BYTES", 1000)
    with saying(HEAD, b": " + b"x" * 2000) as url:
        assert ask(url, STREAM).failure.startswith("the answer passed")


def test_a_stream_that_is_none() -> None:
    whole = b'{"choices": [{"message": {"content": "a"}}]}'
    with saying(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n", whole) as url:
        assert ask(url, STREAM).failure == "the answer ended without saying so"


def test_line_separators_inside_json_part_nothing() -> None:
    text = "a\u2028b\u0085c"
    body = f'data: {{"choices": [{{"delta": {{"content": "{text}"}}}}]}}\n\ndata: [DONE]\n\n'.encode()
    with saying(HEAD, body[:60], body[60:]) as url:
        reply = ask(url, STREAM)
    assert (reply.answer.content, reply.done, reply.failure) == (text, True, "")


def test_an_error_in_the_stream_is_told() -> None:
    with saying(HEAD, b'data: {"error": {"message": "no"}}\n\n') as url:
        assert "error inside the answer" in ask(url, STREAM).failure


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        ("{", "no JSON"),
        ("[]", "no object"),
        ('{"choices": {"a": 1}}', "no list of objects"),
        ('{"choices": [1]}', "no list of objects"),
        ('{"usage": {"prompt_tokens": "7"}}', "whole numbers"),
        ('{"choices": [{"delta": {"content": ["a"]}}]}', "text as `content`"),
        ('{"choices": [{"delta": {"tool_calls": {"a": 1}}}]}', "`tool_calls` is no list"),
        ('{"choices": [{"delta": {"tool_calls": [1]}}]}', "no object with a `function`"),
        ('{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": {}}}]}}]}', "not all text"),
        ('{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": {"a": 1}}}]}}]}', "not all text"),
        ('{"choices": [{"delta": {"tool_calls": [{"index": "x"}]}}]}', "index of a call"),
        ('{"choices": [{"delta": {"content": "a"}}], "usage": null}', ""),
    ],
)
def test_pieces_of_any_shape(payload: str, fault: str) -> None:
    missed, _ = read_event(payload)
    assert fault in missed if fault else missed == ""


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"choices": None},
        {"choices": [None]},
        {"choices": [{"message": "text"}]},
        {"choices": [{"message": {"content": ["a"], "tool_calls": "x"}}], "usage": [1]},
    ],
)
def test_bodies_of_any_shape(body: Any) -> None:
    answer = read_answer(body)
    assert (answer.content, answer.calls) == ("", [])


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Endpoint(f"http://127.0.0.1:{port}/v1", "m") as endpoint, pytest.raises(UnavailableError) as caught:
        endpoint.want_server()
    assert caught.value.code == "conformance.unreachable"


@pytest.mark.parametrize("url", ["127.0.0.1:11434/v1", "ftp://host/v1", "http://", "http://[::1", ""])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Endpoint(url, "m")
    assert caught.value.code == "conformance.bad_url"


def test_roots_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for path in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
        with pytest.raises(InvalidInputError) as caught:
            Endpoint("https://host/v1", "m", ca=path)
        assert caught.value.code == "conformance.bad_ca"
