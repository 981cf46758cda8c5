"""The protocol cases: a sound server passes them all with any model, and each fault fails the cases it should."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.conformance.simulator import HELLO, Said, Simulator, weather
from tests.unit.conformance.trial import CASES, try_cases

from skerry.conformance.protocol import stop_text

PROTOCOL = [one for one, case in CASES.items() if case.kind == "protocol"]


def failures(simulator: Simulator, *ids: str) -> dict[str, str]:
    results = try_cases(simulator, ids)
    return {one: result.verdict.reason for one, result in results.items() if not result.passed}


def test_a_sound_server_passes_all() -> None:
    assert failures(Simulator(), *PROTOCOL) == {}


def gibberish(body: dict[str, Any]) -> Said:
    return Said("\ufffdqz\ufffd\x0fvv\ufffd" * (1 + len(body["messages"])))


def chatter(body: dict[str, Any]) -> Said:
    del body
    return Said(HELLO)


@pytest.mark.parametrize("says", [gibberish, chatter])
def test_no_skill_is_needed(says: Any) -> None:
    assert failures(Simulator(says), *(one for one in PROTOCOL if one not in {"stop.length", "stream.pieces"})) == {}


def test_a_key_is_sent() -> None:
    assert failures(Simulator(key="abc"), "reach.answers", "reach.models") == {}


FAULTS = [
    ("dead", "reach.answers", "unable to load model"),
    ("html", "reach.answers", "no JSON but text/html"),
    ("list_empty", "reach.models", "a list of models under `data`"),
    ("list_other", "reach.models", 'in the list of models; got "other"'),
    ("object_wrong", "shape.answer", "an object chat.completion"),
    ("usage_wrong", "shape.usage", "and their sum"),
    ("usage_none", "shape.usage", "token counts above 0"),
    ("system_dropped", "shape.history", "grow by the system message"),
    ("strict", "shape.unknown_field", 'status 500: "unknown field"'),
    ("limit_ignored", "stop.length", "wanted finish_reason length; got 'stop'"),
    ("stop_ignored", "stop.sequence", "ended in front of"),
    ("stop_kept", "stop.sequence", "ended in front of"),
    ("stream_type", "stream.events", "text/event-stream; got text/plain"),
    ("stream_ids", "stream.events", "one id in all pieces"),
    ("stream_json", "stream.events", "a piece of the stream is no JSON"),
    ("stream_open", "stream.events", "[DONE] at the end"),
    ("stream_cut", "stream.events", "ended without saying so"),
    ("stream_differs", "stream.same_text", "the same text"),
    ("stream_usage", "stream.usage", "token counts above 0"),
    ("one_piece", "stream.pieces", "in pieces; got 1 piece"),
    ("hang_up_fatal", "stream.hang_up", "the runner has gone"),
    ("lenient", "errors.json", "a refusal with status 4xx; got no call"),
    ("empty_500", "errors.messages", 'status 500: "nothing to do"'),
    ("lenient", "errors.type", "a refusal with status 4xx"),
    ("lenient", "errors.value", "a refusal with status 4xx"),
    ("errors_text", "errors.model", "a JSON object with the error's message; got status 404, text/plain"),
    ("long_500", "context.too_long", 'status 500: "out of memory"'),
    ("mangled", "unicode.escapes", "the same text"),
    ("stream_differs", "unicode.streamed", "the same text"),
    ("nul_500", "unicode.nul", "invalid byte"),
    ("busy", "load.four", 'status 503: "busy"'),
    ("tools_refused", "tools.accepted", "does not support tools"),
    ("tools_dropped", "tools.shown", "grow by the tools"),
    ("tools_refused", "tools.schemas", "does not support tools"),
    ("call_as_text", "tools.parsed", 'one in the text: "<tool_call>"'),
    ("arguments_cut", "tools.parsed", "arguments that are a JSON object"),
    ("calls_stop", "tools.parsed", "finish_reason tool_calls exactly with calls"),
    ("stream_differs", "tools.same_call", "the same text"),
    ("results_dropped", "tools.results", "grow by a result"),
    ("history_500", "tools.cut_history", "arguments are no JSON"),
    ("stream_open", "tools.cut_call", "[DONE] at the end"),
    ("choice_ignored", "tools.choice_none", "wanted no call; got the call get_weather"),
]


@pytest.mark.parametrize(("fault", "failing", "words"), FAULTS)
def test_a_fault_fails_its_case(fault: str, failing: str, words: str) -> None:
    told = failures(Simulator(faults=frozenset({fault})), failing)
    assert words in told[failing]


def test_every_case_is_failed_by_a_fault() -> None:
    tried = {failing for _, failing, _ in FAULTS}
    assert tried == set(PROTOCOL)


@pytest.mark.parametrize(
    ("calls", "faults", "words"),
    [
        ((("get_weather", "{}"), ("get_weather", "{}")), {"same_id"}, "an id of its own"),
        ((("no_such_tool", "{}"),), set(), "wanted a call of get_weather or write_note"),
        ((("get_weather", "[]"),), set(), "arguments that are a JSON object"),
    ],
)
def test_calls_that_cannot_be_carried_out(calls: Any, faults: set[str], words: str) -> None:
    def says(body: dict[str, Any]) -> Said:
        return Said(calls=calls) if body.get("tools") else weather(body)

    assert words in failures(Simulator(says, frozenset(faults)), "tools.parsed")["tools.parsed"]


def test_what_was_not_seen_is_said() -> None:
    results = try_cases(Simulator(chatter, frozenset({"long_cut"})), ["tools.parsed", "context.too_long"])
    assert "no call came" in results["tools.parsed"].verdict.reason
    assert "cut without a word" in results["context.too_long"].verdict.reason
    assert all(result.passed for result in results.values())


def test_no_answer_in_time_is_told() -> None:
    results = try_cases(Simulator(faults=frozenset({"stall"})), ["reach.answers", "shape.answer"], deadline_s=0.3)
    assert results["reach.answers"].verdict.reason == "wanted an answer; got no answer within 0.3 s"
    assert results["shape.answer"].verdict.outcome == "skip"


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("", ""),
        ("abc", ""),
        ("abcd", "bcd"),
        ("abcdefgh", "efg"),
        ("abcdef\ufffd\ufffd", "def"),
        ("aaaaaa", ""),
        ("\ufffd" * 9, ""),
    ],
)
def test_where_to_stop(text: str, piece: str) -> None:
    assert stop_text(text) == piece
