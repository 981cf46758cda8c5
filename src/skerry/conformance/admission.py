"""Who may work: the rules by which results admit a model, written once.

- `chat`: every protocol case that counts, but those of `tools`; `chat.ends`; four of five cases of `chat`.
- `tools`: all of `chat`'s rules; every protocol case of `tools` that counts; of the ability cases with tools that count
  at least 80 %, and in each of their groups at least half.

Where a case that counts was skipped, nobody is admitted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from skerry.conformance.suite import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from skerry.conformance.run import Result

CHAT: Final = "chat"
TOOLS: Final = "tools"
LEVELS: Final = (CHAT, TOOLS)
MUST_END: Final = "chat.ends"
ABILITY_SHARE: Final = 0.8
GROUP_SHARE: Final = 0.5


@dataclass(frozen=True)
class Level:
    """Whether a model is admitted for a kind of work, and every reason why not."""

    name: str
    reasons: tuple[str, ...]

    @property
    def admitted(self) -> bool:
        return not self.reasons


def admit(results: Sequence[Result]) -> tuple[Level, ...]:
    """Return the levels, `chat` first."""
    counting = [result for result in results if result.case.counts]
    if left := sum(result.verdict.outcome == "skip" for result in counting):
        reasons = (*_failed(counting), f"{left} cases that count were not tried")
        return tuple(Level(name, reasons) for name in LEVELS)
    protocol = [result for result in counting if result.case.kind == "protocol"]
    ability = [result for result in counting if result.case.kind == "ability"]
    chat = [
        *_failed(result for result in protocol if result.case.group != TOOLS),
        *_failed(result for result in ability if result.case.id == MUST_END),
        *_below([result for result in ability if result.case.group == CHAT], ABILITY_SHARE, CHAT),
    ]
    working = [result for result in ability if result.case.group != CHAT]
    tools = [
        *chat,
        *_failed(result for result in protocol if result.case.group == TOOLS),
        *_below(working, ABILITY_SHARE, "ability cases with tools"),
    ]
    for group in GROUPS:
        tools += _below([result for result in working if result.case.group == group], GROUP_SHARE, group)
    return Level(CHAT, tuple(chat)), Level(TOOLS, tuple(tools))


def _failed(results: Iterable[Result]) -> list[str]:
    return [f"{result.case.id} must pass" for result in results if result.verdict.outcome == "fail"]


def _below(results: Sequence[Result], share: float, what: str) -> list[str]:
    passed, wanted = sum(result.passed for result in results), math.ceil(share * len(results))
    return [f"{what}: {passed} of {len(results)} passed, {wanted} wanted"] if passed < wanted else []
