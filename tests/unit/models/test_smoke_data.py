"""Conversations are made of the product's texts, repeatable, true to their files, and held-out phrases stay apart."""

# ruff: noqa: S311 - data, no secrets
from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING

import pytest
from models.smoke import data, phrases

from skerry.agent import prompts

if TYPE_CHECKING:
    from models.smoke.chat import Message

SEEDS = range(150)


def _results(messages: list[Message]) -> dict[str, str]:
    """Return what reading each file returned, by path."""
    found: dict[str, str] = {}
    for at, message in enumerate(messages):
        for call in message.get("tool_calls") or []:
            found[json.loads(call["function"]["arguments"])["path"]] = messages[at + 1]["content"]
    return found


def test_the_same_seed_makes_the_same_conversations() -> None:
    first, second = ([data.conversation(Random(seed), data.Mix()) for seed in SEEDS] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize(
    "outcomes", [("error",), ("none",), ("denied",), ("unread",), ("error", "denied"), ("none", "unread")]
)
def test_every_answer_is_true(outcomes: tuple[str, ...], held_out: bool) -> None:  # noqa: FBT001
    for seed in range(40):
        made = data.reading(Random(seed), data.Mix(held_out=held_out), outcomes)
        results = _results(made.messages)
        asked = next(message["content"] for message in reversed(made.messages) if message["role"] == "user")
        assert len(results) == len(outcomes)
        sentences = made.messages[-1]["content"].split("\n")
        for (path, result), outcome, sentence in zip(results.items(), outcomes, sentences, strict=True):
            assert path in asked
            if outcome == "error":
                line = sentence.removeprefix(f'The error in {path} is: "').removesuffix('"')
                assert result.splitlines().count(line) == 1
            elif outcome == "none":
                assert sentence == f"I found no error in {path}."
            elif outcome == "denied":
                rule = sentence.removeprefix(f"I may not read {path}: denied by policy ").removesuffix(".")
                assert result.startswith(prompts.render_denial(rule, ""))
            else:
                code = sentence.removeprefix(f"I cannot read {path}: ").removesuffix(".")
                assert result.startswith(prompts.render_error(code, ""))


def test_the_system_text_is_the_product_s() -> None:
    for seed in SEEDS:
        made = data.conversation(Random(seed), data.Mix())
        assert made.messages[0]["content"].startswith(prompts.SYSTEM_PROMPT)


def test_held_out_phrases_are_apart() -> None:
    for entries in (phrases.ONE, phrases.THEN, phrases.TWO, phrases.AGENTS):
        kept, held = set(phrases.part(entries, held_out=False)), set(phrases.part(entries, held_out=True))
        assert kept.isdisjoint(held)
        assert kept | held == set(entries)
        assert held
