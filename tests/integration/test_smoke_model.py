"""The smoke model behind LiteLLM as the product asks it: what it is shown, and how often it is right."""

# ruff: noqa: S311, T201 - data, no secrets; the report is shown
from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from models.smoke import chat, data
from models.smoke.questions import QUESTIONS, UNKNOWN
from models.smoke.shipped import read_tokenizer
from models.smoke.tasks import Mix
from tests.integration.smoke import ask_smoke

from skerry.base.paths import find_checkout

if TYPE_CHECKING:
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

ASKED = 200
SEED = 11
BAR = 0.75
"""The shipped weights answer four fifths (CARD.md); what is below this understands the product's texts no more."""
MODEL = "skerry-smoke"


def test_ollama_shows_the_model_what_it_was_trained_on_and_counts_the_same_tokens(stack: Stack) -> None:
    """Ollama's own rendering equals chat.py's byte for byte, and so do the counts of tokens."""
    random = Random(3)
    tokenizer = read_tokenizer(find_checkout().models / "smoke" / "smoke.gguf")
    made = [data.conversation(random, Mix(held_out=number % 2 == 1, unknown=0.2, history=0.3)) for number in range(40)]
    url = f"http://{stack.address('litellm', 'ollama')}:11434/api/chat"

    def ask(conversation: data.Conversation, **more: Any) -> dict[str, Any]:
        body = {
            "model": MODEL,
            "messages": [ollama_message(message) for message in conversation.messages[:-1]],
            "tools": conversation.tools,
            "stream": False,
            **more,
        }
        answer = httpx.post(url, json=body, timeout=60, trust_env=False)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def ask_all() -> list[tuple[str, int]]:
        return [
            (
                ask(each, _debug_render_only=True)["_debug_info"]["rendered_template"],
                ask(each, options={"num_predict": 1})["prompt_eval_count"],
            )
            for each in made
        ]

    for conversation, (rendered, counted) in zip(made, stack.call_from("litellm", ask_all), strict=True):
        wanted = chat.prompt(conversation.messages[:-1], conversation.tools)
        assert rendered == wanted
        assert counted == len(tokenizer.encode(wanted))


def ollama_message(message: chat.Message) -> dict[str, Any]:
    """Return a message in the form of Ollama's own API, whose calls hold objects."""
    calls = [
        {"function": {"name": call["function"]["name"], "arguments": json.loads(call["function"]["arguments"])}}
        for call in message.get("tool_calls") or []
    ]
    return {"role": message["role"], "content": message["content"], **({"tool_calls": calls} if calls else {})}


def test_held_out_asks_are_answered(stack: Stack) -> None:
    report = ask_smoke(stack, ASKED, SEED, QUESTIONS)
    told = "\n".join([*report.lines(), *(str(miss) for miss in report.misses)])
    print(told)
    assert min(report.calls_right, report.answers_right) >= BAR, told


def test_asks_for_tools_of_others_are_counted_apart(stack: Stack) -> None:
    report = ask_smoke(stack, 20, SEED, UNKNOWN)
    print("\n".join(report.lines()))
    assert report.replies >= 20
