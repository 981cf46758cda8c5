"""What a pattern of failures points at: a cause in words, with what to look at.

Contract: a diagnosis never changes a verdict. It is a guess from all replies together, and says what was seen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from skerry.conformance.reply import SERVER_ERRORS, quote
from skerry.conformance.run import FIRST
from skerry.conformance.texts import find_call, find_chat_mark, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from skerry.conformance.reply import Reply
    from skerry.conformance.run import Result

NO_KEY: Final = (401, 403)
NO_MODEL: Final = 404
NO_TOOLS: Final = re.compile(r"tool", re.IGNORECASE)
DAMAGED: Final = re.compile(
    r"exceeds? file size|unexpected EOF|truncat|corrupt|out of bounds|not within", re.IGNORECASE
)
UNLOADED: Final = "is its file whole, of a kind that the server knows, and is there memory for it?"
TALK: Final = ("chat", "no_call", "result", "missing")
"""Groups whose answers are texts."""
SPOILT_SHARE: Final = 0.5
SPOILT_LEAST: Final = 3


def diagnose(results: Sequence[Result]) -> tuple[str, ...]:
    """Return the causes that the results point at, the one to look at first in front."""
    by_id = {result.case.id: result for result in results}
    found = [_reach(by_id), _late(results)]
    if not any(found):
        found += [_weights(results), _tools(by_id, results), _stream(by_id)]
    if not any(found):
        found.append(_silent(by_id, results))
    return tuple(cause for cause in found if cause)


def _reach(by_id: Mapping[str, Result]) -> str:
    first = by_id.get(FIRST)
    if first is None or first.passed or not first.replies:
        return ""
    reply = first.replies[0]
    if reply.status in NO_KEY:
        return f"the server refuses the key (status {reply.status}): give the right one with --key-file"
    if reply.status == NO_MODEL:
        return f"the server has no such model ({quote(reply.error)}): was it ever loaded there, or its file refused?"
    if reply.status in SERVER_ERRORS:
        damaged = DAMAGED.search(reply.error)
        sign = "its file is damaged or cut off" if damaged else UNLOADED
        return f"the model does not load or run: {sign} (the server says {quote(reply.error)})"
    return ""


def _late(results: Sequence[Result]) -> str:
    late = [result.case.id for result in results if any(reply.late for reply in result.replies)]
    if not late:
        return ""
    return f"{len(late)} cases were not answered in time ({_some(late)}): the host is too slow or busy; see --timeout"


def _tools(by_id: Mapping[str, Result], results: Sequence[Result]) -> str:
    offered = by_id.get("tools.accepted")
    if (
        offered is not None
        and offered.replies
        and offered.replies[0].refused
        and NO_TOOLS.search(offered.replies[0].error)
    ):
        said = quote(offered.replies[0].error)
        return (
            f"the server refuses requests with tools for this model: its chat template has no part for them,"
            f" or calls are switched off ({said})"
        )
    failed = [result for result in results if not result.passed]
    unparsed = [(result.case.id, text) for result in failed if (text := _call_in_text(result))]
    if unparsed:
        ids = [identifier for identifier, _ in unparsed]
        return (
            f"the server's chat template does not recognise this model's calls: they come as text"
            f" ({quote(unparsed[0][1])} in {_some(ids)})"
        )
    shown = by_id.get("tools.shown")
    if shown is not None and not shown.passed and all(reply.came for reply in shown.replies):
        return "the server drops the tools on offer: its chat template does not show them to the model"
    return ""


def _call_in_text(result: Result) -> str:
    for step, reply in zip(result.case.steps, result.replies, strict=False):
        if callable(step) or not step.tools or reply.answer.calls:
            continue
        if found := find_call(reply.answer.content, {str(tool["function"]["name"]) for tool in step.tools}):
            return found
    return ""


def _weights(results: Sequence[Result]) -> str:
    talk = [(result.case.id, result.replies[0]) for result in results if result.case.group in TALK and result.replies]
    spoilt = [(identifier, fault) for identifier, reply in talk if (fault := _spoilt(reply))]
    if len(spoilt) < max(SPOILT_LEAST, SPOILT_SHARE * len(talk)):
        return ""
    marked = next((mark for _, reply in talk if (mark := find_chat_mark(reply.answer.content))), "")
    if marked:
        return (
            f"the chat template is another model's: its marker {quote(marked)} stands in answers, and they do not end"
        )
    ids = [identifier for identifier, _ in spoilt]
    faults = ", ".join(dict.fromkeys(fault for _, fault in spoilt))
    return (
        f"the weights look untrained or damaged, or the chat template is another model's: {faults}"
        f" in {len(spoilt)} of {len(talk)} answers ({_some(ids)})"
    )


def _spoilt(reply: Reply) -> str:
    if not reply.came or reply.answer.calls:
        return ""
    if fault := unreadable(reply.answer.content):
        return fault
    return "no end" if reply.answer.finish_reason in {"length", ""} else ""


def _stream(by_id: Mapping[str, Result]) -> str:
    shape, events, pieces = by_id.get("shape.answer"), by_id.get("stream.events"), by_id.get("stream.pieces")
    if shape is None or not shape.passed:
        return ""
    if events is not None and not events.passed:
        return "whole answers are sound and streams are not: see the server's streaming, or a proxy in front of it"
    if pieces is not None and not pieces.passed:
        return "streams come all at once: something in front of the server holds them back (a buffering proxy)"
    return ""


def _silent(by_id: Mapping[str, Result], results: Sequence[Result]) -> str:
    asked = any(result.case.group == "call" and result.replies for result in results)
    accepted = by_id.get("tools.accepted")
    if not asked or accepted is None or not accepted.passed:
        return ""
    if any(reply.answer.calls for result in results for reply in result.replies):
        return ""
    return "the model never calls a tool on offer: it is not made for tools, or its template shows them in other words"


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:3])
    return shown if len(ids) <= 3 else f"{shown} and {len(ids) - 3} more"  # noqa: PLR2004  as many as are shown
