"""The held-out questions, and how their answers are counted: by calls, by answers, by kind.

Values, file names and phrasings are ones that training never sees. Each of the model's turns is asked for with what
should have come before it. An ask counts as called right when every call is the one expected, alone and exact; as
answered right when the last text is exact to the letter.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from models.smoke import chat, data
from models.smoke.tasks import MAKERS, Mix

BUILT_IN: Final = frozenset(MAKERS)
"""Kinds whose calls are counted for the bar: asks that a built-in tool on offer can do."""
QUESTIONS: Final = Mix(lines=(2, 12), long=0.02, held_out=True, unknown=0.0)
UNKNOWN: Final = Mix(lines=(2, 4), held_out=True, unknown=1.0, history=0.0)

Ask = Callable[[list[chat.Message], list[dict[str, Any]]], chat.Message]
"""Takes the conversation so far and the tools on offer, returns the assistant's next message."""


def _calls(message: chat.Message) -> list[tuple[str, object]]:
    return [(each["function"]["name"], _arguments_of(each)) for each in message.get("tool_calls") or []]


def _arguments_of(call: dict[str, Any]) -> object:
    try:
        return json.loads(call["function"]["arguments"])
    except ValueError:
        return call["function"]["arguments"]


def _confused(wanted: chat.Message, got: chat.Message) -> str:
    """Return in a few words what came instead of what."""

    def word(message: chat.Message) -> str:
        names = [name for name, _ in _calls(message)]
        return "+".join(names) if names else "text"

    if word(wanted) != word(got):
        return f"{word(wanted)} -> {word(got)}"
    return f"{word(wanted)}: other {'arguments' if _calls(wanted) else 'words'}"


@dataclass
class Report:
    """Counts by kind, and the misses."""

    asked: Counter[str] = field(default_factory=Counter)
    called: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    confusion: Counter[str] = field(default_factory=Counter)
    misses: list[dict[str, Any]] = field(default_factory=list)
    replies: int = 0
    seconds: float = 0.0

    def share(self, counts: Counter[str], kinds: frozenset[str] | None = None) -> float:
        """Return the share of asks of these kinds (default: of all) that `counts` has."""
        chosen = [kind for kind in self.asked if kinds is None or kind in kinds]
        return sum(counts[kind] for kind in chosen) / max(1, sum(self.asked[kind] for kind in chosen))

    @property
    def calls_right(self) -> float:
        """Share of the asks for built-in tools in which every call is right."""
        return self.share(self.called, BUILT_IN)

    @property
    def answers_right(self) -> float:
        """Share of all asks whose answer is right."""
        return self.share(self.answered)

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        rows = [f"{'kind':10} {'asked':>5} {'calls':>7} {'answer':>7}"]
        for kind in sorted(self.asked):
            only = frozenset({kind})
            shares = (100 * self.share(self.called, only), 100 * self.share(self.answered, only))
            rows.append(f"{kind:10} {self.asked[kind]:5} {shares[0]:6.1f}% {shares[1]:6.1f}%")
        rows += [f"{count:4} x {what}" for what, count in self.confusion.most_common()]
        rows.append(
            f"calls of built-in tools {100 * self.calls_right:.1f} %, answers {100 * self.answers_right:.1f} %, "
            f"{1000 * self.seconds / max(1, self.replies):.0f} ms a reply"
        )
        return rows


def converse(ask: Ask, conversation: data.Conversation, report: Report) -> None:
    """Ask for each of the model's turns of one conversation and count them."""
    report.asked[conversation.kind] += 1
    user = max(at for at, message in enumerate(conversation.messages) if message["role"] == "user")
    called, answered = True, True
    for at, wanted in enumerate(conversation.messages):
        if wanted["role"] != "assistant" or at < user:
            continue
        begun = time.monotonic()
        got = ask(conversation.messages[:at], conversation.tools)
        report.seconds += time.monotonic() - begun
        report.replies += 1
        right = _calls(wanted) == _calls(got) and (wanted["content"] or "") == (got.get("content") or "")
        if not right:
            report.confusion[_confused(wanted, got)] += 1
            said = conversation.messages[user]["content"]
            report.misses.append({"kind": conversation.kind, "ask": said, "wanted": wanted, "got": got})
            if wanted.get("tool_calls"):
                called = False
            else:
                answered = False
    report.called[conversation.kind] += called
    report.answered[conversation.kind] += answered


def questions(count: int, seed: int, mix: Mix) -> list[data.Conversation]:
    """Return held-out conversations."""
    random = Random(seed)  # noqa: S311 - questions, no secrets
    return [data.conversation(random, mix) for _ in range(count)]
