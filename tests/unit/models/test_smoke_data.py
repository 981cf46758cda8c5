"""Conversations are made of the product's texts, repeatable, true to what tools returned; held-out ones stay apart."""

# ruff: noqa: S311 - data, no secrets
from __future__ import annotations

import json
import re
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from models.smoke import data, phrases, speech, values
from models.smoke.questions import BUILT_IN, QUESTIONS, UNKNOWN, questions
from models.smoke.tasks import MAKERS, Mix

from skerry.agent import prompts

if TYPE_CHECKING:
    from models.smoke.chat import Message

SEEDS = range(300)
LISTS = {
    name: entries
    for name, entries in {**vars(phrases), **vars(speech)}.items()
    if name.isupper() and isinstance(entries, tuple) and name not in ("REASONS", "RULES", "CODES")
}


def calls_of(messages: list[Message]) -> list[tuple[str, dict[str, object], str]]:
    """Return each call with what it returned."""
    return [
        (call["function"]["name"], json.loads(call["function"]["arguments"]), str(messages[at + 1]["content"]))
        for at, message in enumerate(messages[:-1])
        for call in message.get("tool_calls") or []
    ]


def test_the_same_seed_makes_the_same_conversations() -> None:
    first, second = ([data.conversation(Random(seed), Mix()) for seed in SEEDS] for _ in range(2))
    assert first == second


def test_every_kind_is_drawn_and_every_built_in_tool_is_called() -> None:
    made = [data.conversation(Random(seed), Mix(unknown=0.1)) for seed in range(1200)]
    kinds = Counter(each.kind for each in made)
    assert set(kinds) == {*MAKERS, "talk", "not ours", "no tool", "unknown"}
    called = {name for each in made if each.kind != "unknown" for name, _, _ in calls_of(each.messages)}
    assert called == set(prompts.TOOLS)


@pytest.mark.parametrize("mix", [Mix(), Mix(held_out=True, lines=(1, 12))])
def test_only_tools_on_offer_are_called_and_with_what_they_need(mix: Mix) -> None:
    for seed in SEEDS:
        made = data.conversation(Random(seed), mix)
        offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in made.tools}
        for name, arguments, _ in calls_of(made.messages):
            assert set(offered[name].get("required", [])) <= set(arguments) <= set(offered[name]["properties"])


@pytest.mark.parametrize("held_out", [False, True])
def test_what_an_answer_quotes_stands_in_a_result(held_out: bool) -> None:  # noqa: FBT001
    quoted = 0
    for seed in range(600):
        made = data.conversation(Random(seed), Mix(held_out=held_out, unknown=0.0, history=0.0))
        results = "\n".join(result for _, _, result in calls_of(made.messages))
        for quote in re.findall(r'is: "(.*)"$', str(made.messages[-1]["content"]), re.MULTILINE):
            assert quote in results
            quoted += 1
    assert quoted > 100


def test_what_an_ask_names_stands_in_the_call() -> None:
    for seed in SEEDS:
        made = data.conversation(Random(seed), Mix(history=0.0, unknown=0.0))
        asked = next(str(message["content"]) for message in made.messages if message["role"] == "user")
        for name, arguments, _ in calls_of(made.messages):
            if name == "read_file":
                assert str(arguments["path"]) in asked
            elif name == "run_command" and made.kind == "run":
                assert str(arguments["command"]) in asked
            elif name == "write_file" and made.kind == "write":
                assert str(arguments["content"]) in asked


def test_a_denial_and_an_error_are_told_by_their_names() -> None:
    told = 0
    for seed in range(600):
        made = data.conversation(Random(seed), Mix(history=0.0, unknown=0.0))
        answer = str(made.messages[-1]["content"])
        for _, _, result in calls_of(made.messages):
            if found := re.match(r"Denied by policy (\S+): ", result):
                assert f"denied by policy {found[1]}." in answer
                told += 1
            elif found := re.match(r"Error (\S+): ", result):
                assert f": {found[1]}." in answer
                told += 1
    assert told > 60


def test_the_system_text_is_the_product_s() -> None:
    for seed in SEEDS:
        made = data.conversation(Random(seed), Mix())
        assert str(made.messages[0]["content"]).startswith(prompts.SYSTEM_PROMPT)


@pytest.mark.parametrize("name", sorted(LISTS))
def test_held_out_phrases_are_apart(name: str) -> None:
    kept, held = (set(phrases.part(LISTS[name], held_out=held_out)) for held_out in (False, True))
    assert kept.isdisjoint(held)
    assert kept | held == set(LISTS[name])
    assert held


def test_each_tool_is_asked_for_in_at_least_twenty_ways() -> None:
    by_tool = {
        "read_file": (phrases.ERROR,),
        "write_file": (phrases.WRITE,),
        "list_files": (phrases.LIST, phrases.LIST_ALL),
        "run_command": (phrases.RUN,),
    }
    for tool, lists in by_tool.items():
        assert sum(len(phrases.part(entries, held_out=False)) for entries in lists) >= 20, tool


def test_held_out_names_are_never_trained_on() -> None:
    trained = "\n".join(
        "".join(str(message["content"]) + str(message.get("tool_calls")) for message in each.messages)
        for each in (data.conversation(Random(seed), Mix()) for seed in SEEDS)
    )
    for name in values.HELD_OUT_STEMS:
        assert not re.search(rf"\b{name}\b", trained)


def test_the_questions_are_of_every_kind_and_alone_hold_unknown_tools_when_asked_to() -> None:
    asked = Counter(each.kind for each in questions(400, 7, QUESTIONS))
    assert set(asked) >= BUILT_IN
    assert "unknown" not in asked
    assert Counter(each.kind for each in questions(20, 7, UNKNOWN))["unknown"] >= 15
