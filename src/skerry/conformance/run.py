"""Runs cases against an endpoint, one after the other, and keeps what came.

Contract: every case ends with a verdict. When the plain question of `reach` gets no answer, or several cases in a row
are not answered in time, the rest is skipped and says why: a report of minutes beats one of hours.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from skerry.base import clock
from skerry.conformance.case import Ask, Verdict
from skerry.conformance.suite import REACH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skerry.base.progress import Progress
    from skerry.conformance.case import Case
    from skerry.conformance.reply import Reply

FIRST: Final = f"{REACH}.answers"
LATE_CASES: Final = 3


class Answers(Protocol):
    """Who is asked."""

    def ask(self, ask: Ask) -> Reply:
        """Return what came back."""


@dataclass(frozen=True)
class Result:
    """A case with its verdict, its replies and its time in seconds."""

    case: Case
    verdict: Verdict
    replies: tuple[Reply, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        return self.verdict.outcome == "pass"


class _NotPassedError(Exception):
    """Lets a step of the progress end as failed."""


def run_cases(cases: Sequence[Case], endpoint: Answers, *, progress: Progress) -> tuple[Result, ...]:
    """Return the results, in the order of the cases."""
    results: list[Result] = []
    late, reason = 0, ""
    for case in cases:
        if reason:
            results.append(Result(case, Verdict("skip", reason), (), 0.0))
            continue
        result = _run_shown(case, endpoint, progress)
        results.append(result)
        late = late + 1 if any(reply.late for reply in result.replies) else 0
        if case.id == FIRST and not result.passed:
            reason = f"not tried: {FIRST} failed"
        elif late >= LATE_CASES:
            reason = f"not tried: {LATE_CASES} cases in a row were not answered in time"
    return tuple(results)


def _run_shown(case: Case, endpoint: Answers, progress: Progress) -> Result:
    results: list[Result] = []
    with suppress(_NotPassedError), progress.step(case.id):
        results.append(run_case(case, endpoint))
        _want_passed(results[0])
    return results[0]


def _want_passed(result: Result) -> None:
    if not result.passed:
        raise _NotPassedError


def run_case(case: Case, endpoint: Answers) -> Result:
    """Ask a case's requests and judge the replies."""
    start = clock.monotonic()
    replies = _ask_at_once(case, endpoint) if case.at_once else _ask_in_turn(case, endpoint)
    return Result(case, case.check(replies), replies, clock.monotonic() - start)


def _ask_in_turn(case: Case, endpoint: Answers) -> tuple[Reply, ...]:
    replies: tuple[Reply, ...] = ()
    for step in case.steps:
        ask = step if isinstance(step, Ask) else step(replies)
        if ask is None:
            break
        replies = (*replies, endpoint.ask(ask))
    return replies


def _ask_at_once(case: Case, endpoint: Answers) -> tuple[Reply, ...]:
    asks = [step for step in case.steps if isinstance(step, Ask)]
    with ThreadPoolExecutor(len(asks)) as threads:
        return tuple(threads.map(endpoint.ask, asks))
