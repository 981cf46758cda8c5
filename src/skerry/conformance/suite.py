"""The whole set: groups in order, their cases, and which of them a person asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.base.errors import InvalidInputError
from skerry.conformance.ability import ability_cases
from skerry.conformance.protocol import protocol_cases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from skerry.conformance.case import Case, Subject

REACH: Final = "reach"
"""The group that is always asked: without an answer nothing else can be tried."""
GROUPS: Final[Mapping[str, str]] = {
    REACH: "the model is there and answers",
    "shape": "answers are chat completions, with counts, and the whole conversation is read",
    "stop": "answers end where they are told to",
    "stream": "a stream is the same answer in pieces",
    "errors": "what is wrong is refused, in words",
    "context": "too much is no disaster",
    "unicode": "letters of every kind arrive",
    "load": "several callers at once",
    "tools": "tools are shown, calls come as calls, results are read",
    "chat": "the model talks: it ends, obeys, remembers, copies",
    "call": "the one tool is called with exact arguments",
    "nested": "objects and lists inside arguments",
    "choice": "the right tool of several",
    "no_call": "no tool is called where none is wanted",
    "missing": "what is missing is asked for",
    "result": "results are used, failures told, orders inside them not obeyed",
    "builtin": "the product's own prompt and tools",
    "parallel": "several calls in one answer",
    "schema": "answers by a JSON schema",
}


def all_cases(subject: Subject) -> tuple[Case, ...]:
    """Return every case in the order in which they are asked."""
    return (*protocol_cases(subject), *ability_cases(subject))


def choose(cases: Sequence[Case], groups: Sequence[str]) -> tuple[Case, ...]:
    """Return the cases of these groups and of `reach`; all when no group is named.

    Raises:
        InvalidInputError: `conformance.unknown_group`.
    """
    if unknown := [group for group in groups if group not in GROUPS]:
        raise InvalidInputError(
            "conformance.unknown_group", f"there is no group {unknown[0]!r}", f"groups: {', '.join(GROUPS)}"
        )
    return tuple(case for case in cases if not groups or case.group in {REACH, *groups})
