"""The client: contexts, calls, streams that are cut, and what a person reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from skerry.base.errors import (
    InvalidInputError,
    NotFoundError,
    PreconditionError,
    UnauthenticatedError,
    UnavailableError,
)
from skerry.client import http as module
from skerry.client.context import Context, find_context, read_context, store_context
from skerry.client.http import Client, DeadlineError, ServerEvent, parse_events
from skerry.client.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUN = "0190c0de-0000-7000-8000-000000000001"


def client(answer: Callable[[httpx.Request], httpx.Response], *, connect_to: str = "") -> Client:
    context = Context("https://site.example", "key", connect_to=connect_to)
    return Client(context, transport=httpx.MockTransport(answer))


def wire(position: int, kind: str, data: dict[str, Any]) -> str:
    return f"id: {RUN}_{position}_1\nevent: {kind}\ndata: {json.dumps(data)}\n\n"


def test_a_context_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "context.toml"
    context = Context("https://site.example", 'a"b\\c', "acme", tmp_path / "ca.crt", "127.0.0.1")
    store_context(path, context)
    assert read_context(path) == context
    assert path.stat().st_mode & 0o777 == 0o600
    assert 'a"b' not in repr(context)


def test_which_context_counts(tmp_path: Path) -> None:
    state, home = tmp_path / "state", tmp_path / "home"
    environment = {"SKERRY_STATE": str(state), "HOME": str(home)}
    with pytest.raises(PreconditionError) as caught:
        find_context(environment)
    assert caught.value.code == "client.no_context"
    store_context(home / ".config" / "skerry" / "context.toml", Context("https://home", "k"))
    assert find_context(environment).url == "https://home"
    store_context(state / "context.toml", Context("https://state", "k"))
    assert find_context(environment).url == "https://state"
    assert find_context({**environment, "SKERRY_API_URL": "https://env/", "SKERRY_API_KEY": "k"}).url == "https://env"
    with pytest.raises(PreconditionError):
        find_context({**environment, "SKERRY_CONTEXT": str(tmp_path / "missing")})


@pytest.mark.parametrize("text", ["", "url = 7", "not toml at all", 'url = "https://a"'])
def test_files_that_are_no_context(tmp_path: Path, text: str) -> None:
    (tmp_path / "context.toml").write_text(text)
    with pytest.raises(InvalidInputError) as caught:
        read_context(tmp_path / "context.toml")
    assert caught.value.code == "client.bad_context"


def test_an_address_in_place_of_the_name() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"id": RUN})

    with client(answer, connect_to="127.0.0.1") as one:
        one.execution(RUN)
    assert seen[0].url.host == "127.0.0.1"
    assert seen[0].headers["host"] == "site.example"
    assert seen[0].extensions["sni_hostname"] == "site.example"


def test_an_agent_by_id_and_by_name() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/agents":
            return httpx.Response(200, json=[{"id": "a", "name": "reader"}])
        found = request.url.path.endswith("/a")
        return httpx.Response(200, json={"id": "a"}) if found else httpx.Response(404, json={"code": "agent.not_found"})

    with client(answer) as one:
        assert one.find_agent("a") == {"id": "a"}
        assert one.find_agent("reader") == {"id": "a", "name": "reader"}
        assert one.find_agent("other") is None


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (404, {"code": "x.y", "detail": "gone", "hint": "h"}, NotFoundError, "gone"),
        (401, {"code": "auth.x", "detail": {"error": "U", "message": "no", "hint": "h"}}, UnauthenticatedError, "no"),
        (502, None, UnavailableError, "/api/v1/executions/e answered 502"),
    ],
)
def test_errors_in_the_apis_words(status: int, body: Any, kind: type[Exception], message: str) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text="<html>") if body is None else httpx.Response(status, json=body)

    with client(answer) as one, pytest.raises(kind, match=message):
        one.execution("e")


def test_events_are_parsed() -> None:
    lines = [": hello", "", "id: 1", "event: status", 'data: {"a":1}', "", "id:2", "event:done", "data:{}", "", "id: 3"]
    assert [(event.id, event.kind, event.data) for event in parse_events(iter(lines))] == [
        ("1", "status", {"a": 1}),
        ("2", "done", {}),
    ]


def test_a_cut_stream_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECONNECT_PAUSE_S", 0.0)
    seen: list[str] = []
    parts = [wire(1, "status", {}) + wire(2, "message", {}), None, wire(3, "done", {})]

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["last-event-id"])
        body = parts.pop(0)
        if body is None:
            raise httpx.ReadError("cut", request=request)
        return httpx.Response(200, text=body)

    with client(answer) as one:
        kinds = [event.kind for event in one.events(RUN)]
    assert kinds == ["status", "message", "done"]
    assert seen == [f"{RUN}_0_0", f"{RUN}_2_1", f"{RUN}_2_1"]


def test_a_stream_that_never_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECONNECT_PAUSE_S", 0.0)
    with client(lambda _: httpx.Response(503, json={})) as one, pytest.raises(UnavailableError) as caught:
        list(one.events(RUN))
    assert caught.value.code == "client.stream_lost"


def test_an_end_is_not_waited_for_for_ever() -> None:
    kept = httpx.Response(200, text=": keep-alive\n\n")
    with client(lambda _: kept) as one, pytest.raises(DeadlineError) as caught:
        list(one.events(RUN, deadline_s=0.0))
    assert caught.value.code == "client.deadline"


def test_a_stream_of_nothing_that_exists_fails_at_once() -> None:
    gone = httpx.Response(404, json={"code": "execution.not_found"})
    with client(lambda _: gone) as one, pytest.raises(NotFoundError):
        list(one.events(RUN))


def read(*events: tuple[str, dict[str, Any]]) -> tuple[str, Transcript]:
    written: list[str] = []
    transcript = Transcript(write=written.append)
    for second, (kind, data) in enumerate(events):
        transcript.take(ServerEvent("i", kind, data, float(second)))
    return "".join(written), transcript


def chunk(content: str, message: str = "m") -> tuple[str, dict[str, Any]]:
    return "message_chunk", {"data": {"content": content, "message_id": message}}


def permit(path: str, decision: str) -> tuple[str, dict[str, Any]]:
    data = {"tool_name": "read_file", "tool_execution_id": "call_1", "tool_input": {"path": path}}
    return "permit", {"data": {**data, "decision": decision, "rule": "tools.x", "reason": "outside"}}


def test_a_transcript() -> None:
    text, transcript = read(
        ("status", {"status": "running"}),
        ("message", {"role": "user", "content": "Look.", "message_id": "u"}),
        chunk("I "),
        chunk("look."),
        permit("app.log", "permit"),
        ("tool_started", {"data": {"tool_name": "read_file", "tool_execution_id": "call_1"}}),
        (
            "tool_completed",
            {
                "data": {
                    "tool_name": "read_file",
                    "tool_execution_id": "call_1",
                    "tool_status": "completed",
                    "tool_output": {"content": "a\nb\nc\nd\n"},
                }
            },
        ),
        permit("../x", "deny"),
        ("message", {"role": "assistant", "content": "Done.", "message_id": "n"}),
        ("done", {"response": "Done.", "usage": {"turns": 2}}),
    )
    assert text == (
        "> Look.\n"
        "I look.\n"
        '  [read_file {"path": "app.log"}] permitted by tools.x\n'
        "  [read_file] completed: 4 lines, 8 characters\n      a\n      b\n      c\n      ...\n"
        '  [read_file {"path": "../x"}] DENIED by tools.x: outside\n'
        "Done.\n"
    )
    assert [one.permitted for one in transcript.decisions] == [True, False]
    assert (transcript.response, transcript.usage, transcript.tool_s) == ("Done.", {"turns": 2}, 1.0)
    assert transcript.moments == {"status:running": 0.0, "first_token": 2.0, "end": 9.0}


def test_a_message_after_its_beginning_adds_the_rest() -> None:
    text, _ = read(chunk("The er"), ("message", {"role": "assistant", "content": "The error", "message_id": "m"}))
    assert text == "The error"


def test_a_lost_worker_is_said() -> None:
    text, _ = read(chunk("wro"), ("message_reset", {"data": {"message_id": "m", "attempt": 2}}), chunk("right"))
    assert text == "wro\n[the worker was lost; the answer begins again]\nright"


def test_a_failure_is_said() -> None:
    text, transcript = read(("error", {"error_type": "model.failed", "error": "words"}))
    assert (text, transcript.error) == ("failed: model.failed\n", "model.failed")


def test_nobody_answers() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with client(refuse) as one, pytest.raises(UnavailableError) as caught:
        one.execution(RUN)
    assert caught.value.code == "client.unreachable"
    assert "https://site.example" in caught.value.message


def test_somebody_else_answers() -> None:
    with client(lambda _: httpx.Response(200, json=["hello"])) as one, pytest.raises(UnavailableError) as caught:
        one.execution(RUN)
    assert caught.value.code == "client.shape"


@pytest.mark.parametrize("text", [None, "", "no certificate"])
def test_a_root_that_is_none(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "ca.crt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidInputError) as caught:
        Client(Context("https://site.example", "key", ca=path))
    assert caught.value.code == "client.bad_ca"


def test_a_context_of_another_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_text", refuse)  # root, who runs the tests, may read everything
    with pytest.raises(PreconditionError) as caught:
        read_context(tmp_path / "context.toml")
    assert caught.value.code == "client.context_unreadable"
