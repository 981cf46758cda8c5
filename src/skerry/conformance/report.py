"""The report of a run: a table for people, an object for programs. Both say the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skerry.base import clock
from skerry.conformance.admission import admit
from skerry.conformance.diagnosis import diagnose
from skerry.conformance.suite import GROUPS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from skerry.conformance.admission import Level
    from skerry.conformance.reply import Reply
    from skerry.conformance.run import Result

FORMAT: Final = "skerry.conformance/1"
KEPT_CHARS: Final = 1000
MARKS: Final = {"pass": "pass", "fail": "FAIL", "skip": "skip"}


@dataclass(frozen=True)
class Report:
    """One run: of which model where, when, and everything that came of it; `whole` unless groups were left out."""

    model: str
    base_url: str
    started_at: dt.datetime
    seconds: float
    results: tuple[Result, ...]
    whole: bool

    @property
    def levels(self) -> tuple[Level, ...]:
        """Whom the results admit; nobody decides that from a part."""
        return admit(self.results) if self.whole else ()

    @property
    def causes(self) -> tuple[str, ...]:
        return diagnose(self.results)

    def well(self, level: str) -> bool:
        """Whether the model is admitted at a level; of a part: whether every case that counts passed."""
        if self.whole:
            return any(found.name == level and found.admitted for found in self.levels)
        return all(result.passed for result in self.results if result.case.counts)


def render_text(report: Report) -> str:
    """Return the report for a terminal."""
    lines = [f"{report.model} at {report.base_url}"]
    for group, title in GROUPS.items():
        results = [result for result in report.results if result.case.group == group]
        if results:
            lines += ["", f"{group}: {title}", *(line for result in results for line in _case_lines(result))]
    lines += ["", *_summary(report.results), ""]
    for level in report.levels:
        lines.append(f"{level.name}: {'admitted' if level.admitted else 'not admitted'}")
        lines += [f"  {reason}" for reason in level.reasons]
    if not report.whole:
        lines.append("A part of the cases admits nobody: run all of them for that.")
    lines += [f"Likely cause: {cause}" for cause in report.causes]
    return "\n".join(lines) + "\n"


def _case_lines(result: Result) -> list[str]:
    case, verdict = result.case, result.verdict
    aside = "" if case.counts else "  (does not count)"
    first = f"  {MARKS[verdict.outcome]}  {case.id:<20} {result.seconds:>6.1f} s  {case.wants}{aside}"
    return [first, f"        {verdict.reason}"] if verdict.reason and verdict.outcome != "skip" else [first]


def _summary(results: Sequence[Result]) -> list[str]:
    lines = [f"{'GROUP':<10} {'KIND':<8}  PASSED"]
    for group in GROUPS:
        inside = [result for result in results if result.case.group == group]
        if inside:
            passed = sum(result.passed for result in inside)
            aside = "" if any(result.case.counts for result in inside) else "  (does not count)"
            lines.append(f"{group:<10} {inside[0].case.kind:<8}  {passed} of {len(inside)}{aside}")
    skipped = [result for result in results if result.verdict.outcome == "skip"]
    if skipped:
        lines.append(f"{len(skipped)} cases were {skipped[0].verdict.reason}")
    return lines


def render_object(report: Report) -> dict[str, Any]:
    """Return the report as an object of JSON."""
    groups = Counter(result.case.group for result in report.results)
    passed = Counter(result.case.group for result in report.results if result.passed)
    return {
        "format": FORMAT,
        "model": report.model,
        "base_url": report.base_url,
        "started_at": clock.rfc3339(report.started_at),
        "seconds": round(report.seconds, 3),
        "whole": report.whole,
        "levels": [
            {"level": level.name, "admitted": level.admitted, "reasons": list(level.reasons)} for level in report.levels
        ],
        "causes": list(report.causes),
        "groups": [{"group": group, "cases": count, "passed": passed[group]} for group, count in groups.items()],
        "cases": [_case_object(result) for result in report.results],
    }


def _case_object(result: Result) -> dict[str, Any]:
    return {
        "id": result.case.id,
        "group": result.case.group,
        "kind": result.case.kind,
        "counts": result.case.counts,
        "wants": result.case.wants,
        "outcome": result.verdict.outcome,
        "reason": result.verdict.reason,
        "seconds": round(result.seconds, 3),
        "replies": [_reply_object(reply) for reply in result.replies],
    }


def _reply_object(reply: Reply) -> dict[str, Any]:
    answer = reply.answer
    return {
        "status": reply.status,
        "failure": reply.failure,
        "error": "" if reply.came else reply.error[:KEPT_CHARS],
        "content": answer.content[:KEPT_CHARS],
        "calls": [{"name": call.name, "arguments": call.arguments[:KEPT_CHARS]} for call in answer.calls],
        "finish_reason": answer.finish_reason,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "seconds": round(reply.seconds, 3),
    }
