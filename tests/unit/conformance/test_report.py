"""Runs as a whole: whom they admit, what they point at, how they read."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.conformance.simulator import MODEL, Said, Simulator, weather
from tests.unit.conformance.test_ability import GOOD
from tests.unit.conformance.trial import CASES, SUBJECT, try_cases

from skerry.base.errors import InvalidInputError
from skerry.conformance.admission import admit
from skerry.conformance.case import Ask, Verdict
from skerry.conformance.diagnosis import diagnose
from skerry.conformance.report import Report, render_object, render_text
from skerry.conformance.run import Result
from skerry.conformance.suite import GROUPS, all_cases, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).resolve().parents[3]
WHEN = dt.datetime(2026, 11, 28, 4, 30, tzinfo=dt.UTC)


def key_of(messages: Any) -> str:
    return json.dumps(messages, sort_keys=True)


KNOWN = {
    key_of(step.messages): GOOD[one]
    for one, case in CASES.items()
    if case.kind == "ability"
    for step in case.steps
    if isinstance(step, Ask)
}


def clever(body: dict[str, Any]) -> Said:
    """Answer every ability case as a person would."""
    answer = KNOWN.get(key_of(body["messages"]))
    if answer is None or (body.get("tools") and "tool_choice" in body):
        return weather(body)
    return Said(answer.content, tuple((call.name, call.arguments) for call in answer.calls))


def rambling(body: dict[str, Any]) -> Said:
    """Never end, and never say a word."""
    return Said("\ufffdqz \x0fv " * (50 + len(body["messages"])), cut=True)


@cache
def results_of(says: Callable[[dict[str, Any]], Said] = clever, *faults: str) -> tuple[Result, ...]:
    return tuple(try_cases(Simulator(says, frozenset(faults)), list(CASES)).values())


def verdicts(failing: Iterable[str] = (), skipped: Iterable[str] = ()) -> tuple[Result, ...]:
    """Return results in which these cases fail or were skipped, and all others passed."""
    failed, left = set(failing), set(skipped)
    return tuple(
        Result(case, Verdict("fail" if one in failed else "skip" if one in left else "pass", "because"), (), 0.1)
        for one, case in CASES.items()
    )


def admitted(results: tuple[Result, ...]) -> dict[str, bool]:
    return {level.name: level.admitted for level in admit(results)}


def group(name: str) -> list[str]:
    return [one for one, case in CASES.items() if case.group == name]


def test_a_good_model_on_a_sound_server_is_admitted() -> None:
    results = results_of()
    assert {result.case.id: result.verdict.reason for result in results if not result.passed} == {}
    assert admitted(results) == {"chat": True, "tools": True}
    assert diagnose(results) == ()


@pytest.mark.parametrize(
    ("failing", "chat", "tools"),
    [
        (["shape.usage"], False, False),
        (["tools.parsed"], True, False),
        ([one for one, case in CASES.items() if not case.counts], True, True),
        (["chat.copy"], True, True),
        (["chat.ends"], False, False),
        (["chat.copy", "chat.word"], False, False),
        (["call.quoted", "call.unicode", "nested.objects", "result.order", "choice.similar"], True, True),
        (["nested.object", "nested.array"], True, False),
        ([f"call.{name}" for name in ("single", "types", "enum", "unicode")], True, False),
        (
            [one for one in CASES if one.partition(".")[2] in {"quoted", "unicode", "one", "error", "read", "enum"}],
            True,
            False,
        ),
    ],
)
def test_the_rules_of_admission(failing: list[str], chat: bool, tools: bool) -> None:  # noqa: FBT001
    assert admitted(verdicts(failing)) == {"chat": chat, "tools": tools}


def test_what_was_skipped_admits_nobody() -> None:
    levels = admit(verdicts(["reach.answers"], skipped=["errors.json", "call.none", "parallel.same"]))
    assert [level.name for level in levels] == ["chat", "tools"]
    assert {level.reasons for level in levels} == {("reach.answers must pass", "2 cases that count were not tried")}


def test_reasons_say_what_is_missing() -> None:
    chat, tools = admit(verdicts(["chat.copy", "chat.word", "tools.parsed", *group("nested")]))
    assert chat.reasons == ("chat: 3 of 5 passed, 4 wanted",)
    assert tools.reasons == (*chat.reasons, "tools.parsed must pass", "nested: 0 of 3 passed, 2 wanted")


@pytest.mark.parametrize(
    ("says", "faults", "words"),
    [
        (clever, ["dead"], "does not load or run: its file is damaged or cut off"),
        (clever, ["tools_refused"], "its chat template has no part for them"),
        (clever, ["call_as_text"], 'they come as text ("<tool_call>" in tools.parsed, call.single, call.types'),
        (clever, ["tools_dropped"], "drops the tools on offer"),
        (clever, ["stream_ids"], "whole answers are sound and streams are not"),
        (clever, ["one_piece"], "streams come all at once"),
        (rambling, [], "weights look untrained or damaged"),
        (lambda _: Said("Hello, I am only here to talk."), [], "never calls a tool on offer"),
        (
            lambda _: Said("Hello<|im_end|>\n<|im_start|>user\nHello", cut=True),
            [],
            "template is another model's: its marker",
        ),
    ],
)
def test_a_pattern_points_at_a_cause(says: Any, faults: list[str], words: str) -> None:
    results = results_of(says, *faults)
    causes = diagnose(results)
    assert words in causes[0]
    assert not any(level.admitted for level in admit(results) if level.name == "tools") or faults == ["one_piece"]


@pytest.mark.parametrize(
    ("fault", "words"), [("key_refused", "refuses the key (status 401)"), ("model_gone", 'no such model ("no such')]
)
def test_a_key_or_a_model_that_the_server_does_not_know(fault: str, words: str) -> None:
    assert words in diagnose(results_of(clever, fault))[0]


def test_a_run_in_which_nothing_can_be_tried_ends_early() -> None:
    results = results_of(clever, "dead")
    assert Counter(result.verdict.outcome for result in results) == {"fail": 1, "skip": len(CASES) - 1}
    text = render_text(report_of(results))
    assert f"{len(CASES) - 1} cases were not tried: reach.answers failed" in text
    assert "unable to load model" in text


def report_of(results: tuple[Result, ...], *, whole: bool = True) -> Report:
    return Report(MODEL, "http://host/v1", WHEN, 1.5, results, whole)


def test_the_table_names_every_case_and_what_failed() -> None:
    text = render_text(report_of(results_of(clever, "call_as_text")))
    for one, case in CASES.items():
        assert one in text
        assert case.wants in text
    assert "  FAIL  tools.parsed" in text
    assert "        wanted calls in `tool_calls`; got one in the text" in text
    assert "tools: not admitted\n  tools.parsed must pass\n" in text
    assert "chat: admitted\n" in text
    assert "Likely cause: the server's chat template does not recognise this model's calls" in text


def test_the_object_says_the_same() -> None:
    results = results_of(clever, "call_as_text")
    body = render_object(report_of(results))
    assert json.loads(json.dumps(body)) == body
    assert (body["format"], body["model"], body["started_at"]) == (
        "skerry.conformance/1",
        MODEL,
        "2026-11-28T04:30:00.000000Z",
    )
    outcomes = {case["id"]: case["outcome"] for case in body["cases"]}
    assert outcomes == {result.case.id: result.verdict.outcome for result in results}
    assert [level["admitted"] for level in body["levels"]] == [True, False]
    assert body["causes"] == list(diagnose(results))
    assert sum(entry["cases"] for entry in body["groups"]) == len(CASES)
    single = next(case for case in body["cases"] if case["id"] == "call.single")
    assert "<tool_call>" in single["replies"][0]["content"]


def test_a_part_admits_nobody() -> None:
    part = report_of(tuple(result for result in verdicts() if result.case.group in {"reach", "call"}), whole=False)
    assert part.levels == ()
    assert "admits nobody" in render_text(part)
    assert part.well("tools")
    failed = report_of(tuple(result for result in verdicts(["call.none"]) if result.case.group == "call"), whole=False)
    assert not failed.well("tools")


def test_three_late_cases_in_a_row_end_the_run() -> None:
    simulator = Simulator(faults=frozenset({"stall"}))
    ids = ["shape.answer", "shape.usage", "errors.model", "errors.json"]
    results = try_cases(simulator, ids, deadline_s=0.1)
    assert [result.verdict.outcome for result in results.values()] == ["fail", "fail", "fail", "skip"]
    assert (
        "3 cases were not answered in time (shape.answer, shape.usage, errors.model)"
        in diagnose(tuple(results.values()))[0]
    )


def test_the_set() -> None:
    ids = [case.id for case in all_cases(SUBJECT)]
    assert len(ids) == len(set(ids)) == len(CASES)
    assert list(dict.fromkeys(case.group for case in CASES.values())) == list(GROUPS)
    assert all(len({case.kind for case in CASES.values() if case.group == name}) == 1 for name in GROUPS)


def test_groups_are_chosen_by_name() -> None:
    cases = tuple(CASES.values())
    assert {case.group for case in choose(cases, ["call"])} == {"reach", "call"}
    assert choose(cases, []) == cases
    with pytest.raises(InvalidInputError) as caught:
        choose(cases, ["calls"])
    assert "no_call" in caught.value.hint


def test_the_document_is_about_this_set() -> None:
    text = (ROOT / "docs" / "conformance.md").read_text()
    counts = Counter(case.group for case in CASES.values())
    for name, count in counts.items():
        assert f"| `{name}` | {count} |" in text
    assert f"{len(CASES)} cases" in text
    assert f"{sum(case.kind == 'ability' for case in CASES.values())} questions" in text
