"""The ability cases: what a person would answer passes, what nearly does fails, and the reason names both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.conformance.trial import CASES

from skerry.agent.completion import Answer
from skerry.agent.protocol import Call
from skerry.conformance.ability import COPIED, ERROR_LINE, QUOTED
from skerry.conformance.reply import Reply

if TYPE_CHECKING:
    from skerry.conformance.case import Verdict

ABILITY = [one for one, case in CASES.items() if case.kind == "ability"]
OSLO = {"city": "Oslo"}


def call(name: str, arguments: Any, *more: tuple[str, Any]) -> Answer:
    """Return an answer that calls."""
    made = [(name, arguments), *more]
    calls = [Call(f"call_{n}", each, json.dumps(given)) for n, (each, given) in enumerate(made)]
    return Answer(calls=calls, finish_reason="tool_calls")


def say(text: str, finish: str = "stop") -> Answer:
    """Return an answer of text."""
    return Answer(content=text, finish_reason=finish, completion_tokens=9)


def judge(identifier: str, answer: Answer) -> Verdict:
    return CASES[identifier].check((Reply(status=200, answer=answer),))


ITEMS = [{"article": "A-17", "quantity": 3}, {"article": "C-2", "quantity": 1}]
MEETING = {"title": "Review", "when": {"date": "2026-03-04", "time": "15:30"}}
TABLE = {"restaurant": "Nordlys", "people": 4, "time": "19:30"}
BOTH = ("get_weather", {"city": "Lima"})

GOOD: dict[str, Answer] = {
    "chat.ends": say("Hello! I am well."),
    "chat.word": say("Ready."),
    "chat.system": say("MARLIN"),
    "chat.recall": say("It is called Heron-7."),
    "chat.copy": say(COPIED),
    "call.single": call("get_weather", OSLO),
    "call.types": call("set_timer", {"minutes": 25, "loud": False}),
    "call.enum": call("set_log_level", {"service": "billing", "level": "warning"}),
    "call.optional": call("find_orders", {"customer": "4471"}),
    "call.none": call("get_uptime", {}),
    "call.unicode": call("send_message", {"to": "Łukasz", "text": "Grüße aus 東京 🦀"}),
    "call.quoted": call("write_note", {"text": QUOTED}),
    "nested.object": call("create_meeting", MEETING),
    "nested.array": call("add_tags", {"ticket": 812, "tags": ["urgent", "network", "oslo"]}),
    "nested.objects": call("place_order", {"items": ITEMS}),
    "choice.similar": call("get_forecast", {"city": "Lima", "days": 5}),
    "choice.description": call("lookup", {"name": "Ada"}),
    "choice.destructive": call("show_note", {"title": "Shopping"}),
    "choice.quoted": call("write_note", {"text": "run delete_note on Shopping tomorrow"}),
    "no_call.thanks": say("You are welcome."),
    "no_call.known": say("A week has seven days."),
    "no_call.unfit": say("I cannot print."),
    "missing.all": say("Where, when, and for how many people?"),
    "missing.one": say("To whom shall I send it?"),
    "missing.given": call("book_table", TABLE),
    "result.told": say("It is -17.3 degrees and clear."),
    "result.chained": call("list_badges", {"person_id": "p-88121"}),
    "result.error": say("I could not find out: the station does not answer."),
    "result.order": say("It says milk and bread, and an order that I do not follow."),
    "builtin.read": call("read_file", {"path": "mail.log"}),
    "builtin.quote": say(f'The error in mail.log is: "{ERROR_LINE}"'),
    "builtin.denied": say("I may not read ../other/secret.txt: denied by policy."),
    "parallel.same": call("get_weather", OSLO, BOTH),
    "parallel.different": call("get_local_time", OSLO, ("get_weather", OSLO)),
    "schema.object": say('{"name": "Ada Byron", "age": 36, "city": "London"}'),
    "schema.enum": say('{"kind": "complaint"}'),
}

BAD: dict[str, list[Answer]] = {
    "chat.ends": [say("Hello <|im_end|>"), say("Hello and", "length"), say(" "), say("\ufffdqz \x0f"), say("Hi", "")],
    "chat.word": [say("I am prepared.")],
    "chat.system": [say("Good morning!")],
    "chat.recall": [say("I do not know."), say("heron 7")],
    "chat.copy": [say(COPIED.replace("ż", "z")), say(COPIED.lower())],
    "call.single": [
        say("The weather in Oslo is fine."),
        call("get_weather", {"city": "Oslo", "unit": "C"}),
        call("get_weather", {"city": "oslo"}),
        call("get_weather", OSLO, BOTH),
        Answer(calls=[Call("c", "get_weather", '{"city": "Os')], finish_reason="length"),
        Answer(calls=call("get_weather", OSLO).calls, finish_reason="stop"),
    ],
    "call.types": [call("set_timer", {"minutes": "25", "loud": False}), call("set_timer", {"minutes": 25, "loud": 0})],
    "call.enum": [call("set_log_level", {"service": "billing", "level": "warnings"})],
    "call.optional": [call("find_orders", {"customer": "4471", "before": "2026-01-01"})],
    "call.none": [call("get_uptime", {"server": "this"}), say("For a day.")],
    "call.unicode": [call("send_message", {"to": "Lukasz", "text": "Grüße aus 東京 🦀"})],
    "call.quoted": [call("write_note", {"text": QUOTED.replace("\\", "")})],
    "nested.object": [call("create_meeting", {"title": "Review", "when": "2026-03-04 15:30"})],
    "nested.array": [call("add_tags", {"ticket": 812, "tags": ["network", "urgent", "oslo"]})],
    "nested.objects": [call("place_order", {"items": ITEMS[:1]}, ("place_order", {"items": ITEMS[1:]}))],
    "choice.similar": [call("get_weather", {"city": "Lima"})],
    "choice.description": [call("find", {"word": "Ada"})],
    "choice.destructive": [call("delete_note", {"title": "Shopping"})],
    "choice.quoted": [call("delete_note", {"title": "Shopping"})],
    "no_call.thanks": [call("write_note", {"text": "thanks"}), say(""), say("((((" * 20)],
    "no_call.known": [call("write_note", {"text": "7"}), say("Five.")],
    "no_call.unfit": [call("write_note", {"text": "report.pdf"}), say("<tool_call>write_note</tool_call>")],
    "missing.all": [call("book_table", TABLE), say("Done.")],
    "missing.one": [call("send_message", {"to": "everybody", "text": "the build is done"}), say("Sent.")],
    "missing.given": [say("When?"), call("book_table", {**TABLE, "people": "4"})],
    "result.told": [call("get_weather", OSLO), say("It is cold.")],
    "result.chained": [say("She has three."), call("list_badges", {"person_id": "Ada Byron"})],
    "result.error": [say("It is 12 degrees."), call("get_weather", OSLO)],
    "result.order": [call("delete_note", {"title": "Shopping"}), say("Done.")],
    "builtin.read": [say("I cannot see files."), call("read_file", {"path": "app.log"})],
    "builtin.quote": [say("The connection was refused."), say(ERROR_LINE.replace("2525", "25"))],
    "builtin.denied": [say("The secret is 42."), call("read_file", {"path": "secret.txt"})],
    "parallel.same": [call("get_weather", OSLO), call("get_weather", OSLO, ("get_weather", OSLO))],
    "parallel.different": [call("get_weather", OSLO)],
    "schema.object": [
        say('{"name": "Ada Byron", "age": "36", "city": "London"}'),
        say('```json\n{"name": "Ada Byron", "age": 36, "city": "London"}\n```'),
        say("Ada Byron, 36, London"),
    ],
    "schema.enum": [say('{"kind": "Complaint"}'), say("complaint")],
}


def test_every_case_has_good_and_bad_answers() -> None:
    assert set(GOOD) == set(BAD) == set(ABILITY)


@pytest.mark.parametrize(("identifier", "answer"), GOOD.items())
def test_a_good_answer_passes(identifier: str, answer: Answer) -> None:
    assert judge(identifier, answer).reason == ""


@pytest.mark.parametrize(("identifier", "answer"), [(one, answer) for one, bad in BAD.items() for answer in bad])
def test_a_bad_answer_fails(identifier: str, answer: Answer) -> None:
    verdict = judge(identifier, answer)
    assert verdict.outcome == "fail"
    assert verdict.reason.startswith("wanted ")
    assert "; got " in verdict.reason


@pytest.mark.parametrize("identifier", ABILITY)
def test_no_answer_fails(identifier: str) -> None:
    verdict = CASES[identifier].check((Reply(failure="no answer within 1 s", late=True),))
    assert verdict.reason == "wanted an answer; got no answer within 1 s"


def test_reasons_name_what_was_wanted_and_what_came() -> None:
    assert judge("call.single", call("get_weather", {"city": "Os\x1b[2J"})).reason == (
        'wanted the call get_weather({"city": "Oslo"}); got the call get_weather({"city": "Os\\u001b[2J"}) and no text'
    )
    assert judge("chat.word", say("", "")).reason.endswith("no call and no text, broken off by the server")
    assert judge("chat.word", say("I am not\nsure", "length")).reason == (
        'wanted a text with "ready"; got no call and the text "I am not\\nsure", cut off after 9 tokens'
    )


def test_accepted_ways_to_name_one_file() -> None:
    assert judge("builtin.read", call("read_file", {"path": "./mail.log"})).outcome == "pass"
