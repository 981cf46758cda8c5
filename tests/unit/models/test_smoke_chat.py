"""What Python renders equals what Ollama rendered, and the tokenizer takes it apart without loss."""

# ruff: noqa: S311 - data, no secrets
from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from models.smoke import chat, data
from models.smoke.tokenizer import END, START, Tokenizer, train

VECTORS = Path(__file__).parents[2] / "vectors" / "smoke" / "renderings.json"
RECORDED: list[dict[str, Any]] = json.loads(VECTORS.read_text())


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    made = [data.conversation(Random(seed), data.Mix()) for seed in range(60)]
    texts = ["".join(text for text, _ in chat.render(each.messages, each.tools)) for each in made]
    return train(texts, data.LITERALS, ("wrong", "found", "the"), letter_merges=120, size=640)


@pytest.mark.parametrize("recorded", RECORDED)
def test_renders_as_ollama_did(recorded: dict[str, Any]) -> None:
    assert chat.prompt(recorded["messages"], recorded["tools"]) == recorded["rendered"]


def test_the_vectors_hold_calls_results_denials_and_no_tools() -> None:
    rendered = [recorded["rendered"] for recorded in RECORDED]
    assert any("</tool_call>" in text and "Denied by policy" in text for text in rendered)
    assert any("Error " in text for text in rendered)
    assert any(not recorded["tools"] for recorded in RECORDED)


def test_the_template_opens_a_call_with_its_marker_first() -> None:
    """Ollama takes the first text after .ToolCalls, up to the brace, for the marker of a call."""
    template = (Path(chat.__file__).parent / "Modelfile").read_text()
    after = template.split("{{- if .ToolCalls }}", 1)[1]
    assert after.split("{{- range .ToolCalls }}", 1)[1].startswith(chat.CALL_OPEN)


@pytest.mark.parametrize("recorded", RECORDED)
def test_encoding_loses_nothing(tokenizer: Tokenizer, recorded: dict[str, Any]) -> None:
    text = recorded["rendered"]
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_name_costs_the_same_tokens_wherever_it_stands(tokenizer: Tokenizer) -> None:
    name = "api-7.2026-11-03.log"
    own = tokenizer.encode(name)
    for around in ('in "{}"', "({})", "/{} ", '{{"path":"{}"}}', "in\n{}\n"):
        before, after = around.format("\0").split("\0")
        whole = tokenizer.encode(around.format(name))
        assert whole == [*tokenizer.encode(before), *own, *tokenizer.encode(after)]


def test_markers_and_whole_texts_are_one_token_each(tokenizer: Tokenizer) -> None:
    for text in (START, END, *data.LITERALS):
        assert len(tokenizer.encode(text)) == 1


def test_every_byte_survives(tokenizer: Tokenizer) -> None:
    text = "".join(map(chr, range(1, 0x250))) + "漢字 \U0001f600"
    assert tokenizer.decode(tokenizer.encode(text)) == text
