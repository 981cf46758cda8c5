"""What becomes of a model's streamed answer, however odd."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from skerry.agent import prompts
from skerry.agent.completion import (
    CALLS_LIMIT,
    Answer,
    Collector,
    Lines,
    ModelClient,
    parse_arguments,
    render_messages,
    render_outcome,
)
from skerry.agent.protocol import Call, Message, Outcome, Turn
from skerry.base.errors import InvalidInputError, SkerryError, UnauthenticatedError, UnavailableError


def event(delta: dict[str, Any] | None = None, *, finish: str | None = None, **more: Any) -> str:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return "data: " + json.dumps({"model": "skerry/smoke", "choices": choices, **more})


def call(arguments: str, *, name: str = "", index: int = 0, identifier: str = "") -> str:
    function = {"name": name, "arguments": arguments}
    return event({"tool_calls": [{"index": index, "id": identifier, "type": "function", "function": function}]})


def collect(*lines: str) -> Answer:
    collector = Collector(0.0)
    for line in lines:
        collector.take(line)
    return collector.answer()


def make_turn(*messages: Message, tools: tuple[str, ...] = ("read_file",), system: str = "") -> Turn:
    return Turn(
        done=False,
        calls=0,
        message_id="m",
        model="skerry/smoke",
        system_prompt=system,
        max_tokens=64,
        temperature=0.0,
        tools=tools,
        messages=messages,
    )


def test_text_and_figures() -> None:
    answer = collect(
        event({"role": "assistant", "content": ""}),
        event({"content": "The "}),
        event({"content": "error"}),
        event({}, finish="stop"),
        event(None, usage={"prompt_tokens": 7, "completion_tokens": 3}),
        "data: [DONE]",
    )
    assert (answer.content, answer.calls, answer.finish_reason) == ("The error", [], "stop")
    assert (answer.prompt_tokens, answer.completion_tokens, answer.model) == (7, 3, "skerry/smoke")
    assert answer.first_token_us > 0
    assert answer.total_us >= answer.first_token_us


def test_a_call_in_pieces_after_text() -> None:
    answer = collect(
        event({"content": "I look."}),
        call("", name="read_file", identifier="a"),
        call('{"path": '),
        call('"app.log"}'),
        event({}, finish="tool_calls"),
    )
    assert answer.content == "I look."
    assert answer.calls == [Call("a", "read_file", '{"path": "app.log"}')]


def test_whole_calls_that_share_an_index_are_two() -> None:
    answer = collect(
        call('{"path":"a"}', name="read_file", identifier="x"),
        call('{"path":"b"}', name="read_file", identifier="y"),
        event({}, finish="tool_calls"),
    )
    assert [one.arguments for one in answer.calls] == ['{"path":"a"}', '{"path":"b"}']


def test_calls_at_once_with_pieces_interleaved() -> None:
    answer = collect(
        call('{"path"', name="read_file", index=0, identifier="x"),
        call('{"path"', name="read_file", index=1, identifier="y"),
        call(':"a"}', index=0),
        call(':"b"}', index=1),
        event({}, finish="tool_calls"),
    )
    assert [(one.id, one.arguments) for one in answer.calls] == [("x", '{"path":"a"}'), ("y", '{"path":"b"}')]


@pytest.mark.parametrize(
    "lines",
    [
        (event({}, finish="stop"),),
        ("data: [DONE]",),
        (event({"content": None}), event({}, finish="length")),
        (": comment", "", "event: x", "data: [DONE]"),
    ],
)
def test_an_empty_answer_is_an_answer(lines: tuple[str, ...]) -> None:
    assert collect(*lines).content == ""


def test_cut_arguments_stay_as_they_were_written() -> None:
    answer = collect(call('{"path": "app.l', name="read_file"), event({}, finish="length"))
    assert answer.calls[0].arguments == '{"path": "app.l'


def test_lines_end_at_line_feeds_only() -> None:
    lines = Lines()
    whole = 'data: "a\u2028b\u0085ü"\r\n\ndata: 1\nrest'.encode()
    parts = [line for n in range(len(whole)) for line in lines.take(whole[n : n + 1])]
    assert parts == ['data: "a\u2028b\u0085ü"', "", "data: 1"]
    assert lines.take(b"\n") == ["rest"]


def test_too_many_calls_are_cut() -> None:
    lines = [call("{}", name="read_file", index=n, identifier=f"c{n}") for n in range(CALLS_LIMIT + 5)]
    assert len(collect(*lines, "data: [DONE]").calls) == CALLS_LIMIT


def test_what_no_database_can_hold_is_replaced() -> None:
    answer = collect('data: {"choices": [{"delta": {"content": "a\\u0000b\\ud800c"}}]}', "data: [DONE]")
    assert answer.content == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((event({"content": "half"}),), "model.stream_cut"),
        (("data: {cut",), "model.stream_cut"),
        (("data: [1]",), "model.stream_cut"),
        (('data: {"error": {"message": "no"}}',), "model.failed"),
    ],
)
def test_a_broken_stream_is_a_failure(lines: tuple[str, ...], code: str) -> None:
    with pytest.raises(UnavailableError) as caught:
        collect(*lines)
    assert caught.value.code == code


def test_an_endless_answer_is_refused() -> None:
    with pytest.raises(InvalidInputError) as caught:
        collect(*[event({"content": "x" * 100_000})] * 11)
    assert caught.value.code == "model.too_long"


@pytest.mark.parametrize(
    ("text", "value"),
    [("", {}), ("  ", {}), ('{"a": 1}', {"a": 1}), ("[]", None), ('"a"', None), ("{", None), ("null", None)],
)
def test_arguments(text: str, value: dict[str, Any] | None) -> None:
    assert parse_arguments(text) == value


def test_the_conversation_as_the_model_sees_it() -> None:
    asked = Call("call_1", "read_file", '{"path":"app.log"}')
    cut = Call("call_3", "read_file", '{"path":')
    turn = make_turn(
        Message("user", "Look."),
        Message("assistant", "I look.", (asked,)),
        Message("tool", "", call_id="call_1", outcome=Outcome("completed", "ERROR x")),
        Message("assistant", "", (cut,)),
        Message("tool", "", call_id="call_3", outcome=Outcome("failed", "no JSON", "tool.bad_arguments")),
        system="You read logs.",
    )
    messages = render_messages(turn)
    assert messages[0] == {"role": "system", "content": prompts.render_system("You read logs.")}
    assert messages[2]["tool_calls"][0]["function"] == {"name": "read_file", "arguments": '{"path":"app.log"}'}
    assert messages[3] == {"role": "tool", "tool_call_id": "call_1", "content": "ERROR x"}
    assert messages[4]["tool_calls"][0]["function"]["arguments"] == "{}"
    assert messages[5]["content"] == "Error tool.bad_arguments: no JSON"


def test_a_denial_names_its_rule() -> None:
    outcome = Outcome("denied", "the path is outside", "tools.path_outside_workspace")
    assert render_outcome(outcome) == "Denied by policy tools.path_outside_workspace: the path is outside"


def serve(status: int, lines: list[str], seen: list[httpx.Request]) -> ModelClient:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status, content="\n\n".join(lines).encode() + b"\n\n")

    client = ModelClient(transport=httpx.MockTransport(answer))
    client.url, client.token = "http://litellm:4000/v1", "secret"
    return client


async def ask(client: ModelClient, turn: Turn) -> tuple[Answer, list[str]]:
    said: list[str] = []

    async def say(text: str) -> None:
        said.append(text)

    try:
        return await client.complete(turn, say), said
    finally:
        await client.close()


def test_the_request_and_what_is_said_on() -> None:
    seen: list[httpx.Request] = []
    lines = [event({"content": "a"}), event({"content": "b"}), event({}, finish="stop"), "data: [DONE]"]
    answer, said = asyncio.run(ask(serve(200, lines, seen), make_turn(Message("user", "hi"))))
    assert (answer.content, said) == ("ab", ["a", "b"])
    body = json.loads(seen[0].content)
    assert str(seen[0].url) == "http://litellm:4000/v1/chat/completions"
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert body["tools"] == [prompts.READ_FILE]
    assert (body["stream"], body["max_tokens"], body["temperature"]) == (True, 64, 0.0)


def test_a_separator_of_lines_inside_the_text_is_text() -> None:
    lines = ['data: {"choices": [{"delta": {"content": "a\u2028b\u0085c"}}]}', "data: [DONE]"]
    answer, _ = asyncio.run(ask(serve(200, lines, []), make_turn(Message("user", "hi"))))
    assert answer.content == "a\u2028b\u0085c"


def test_without_tools_none_are_offered() -> None:
    seen: list[httpx.Request] = []
    turn = make_turn(Message("user", "hi"), tools=("no_such_tool",))
    asyncio.run(ask(serve(200, ["data: [DONE]"], seen), turn))
    assert "tools" not in json.loads(seen[0].content)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, UnauthenticatedError, "model.unauthorized"),
        (429, UnavailableError, "model.failed"),
        (500, UnavailableError, "model.failed"),
        (400, InvalidInputError, "model.refused"),
    ],
)
def test_refusals(status: int, kind: type[SkerryError], code: str) -> None:
    with pytest.raises(kind) as caught:
        asyncio.run(ask(serve(status, ["{}"], []), make_turn(Message("user", "hi"))))
    assert caught.value.code == code


def test_nobody_there() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    client = ModelClient(transport=httpx.MockTransport(refuse))
    client.url = "http://litellm:4000/v1"
    with pytest.raises(UnavailableError) as caught:
        asyncio.run(ask(client, make_turn()))
    assert caught.value.code == "agent.unreachable"
