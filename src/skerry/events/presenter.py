"""What one connection is shown of an execution's events: pure, one object a connection.

Contract: rows go in in the order of their positions, wire events come out. A connection that has been shown every
piece of an answer is not shown the finished message again, only what was still missing of it; any other connection is
shown the whole message. A tool's words are shown by `tool_completed` while they are news and as a message in the
history.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from skerry.record.events import wrapped

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

TERMINAL: Final = frozenset({"done", "error"})


@dataclass(frozen=True)
class Row:
    """An event as it is stored."""

    position: int
    kind: str
    data: Mapping[str, Any]
    n: int | None
    created_at: dt.datetime


@dataclass(frozen=True)
class Shown:
    """An event as it goes out: `position` and `moment` make its id."""

    position: int
    moment: dt.datetime
    kind: str
    data: Mapping[str, Any]


@dataclass
class _Answer:
    """How much of an answer this connection has been shown, in pieces that follow one another."""

    pieces: int = 0
    parts: list[str] = field(default_factory=list)


class Presenter:
    """Turns rows into what its connection is shown."""

    def __init__(self) -> None:
        self._answers: dict[str, _Answer] = {}

    def present(self, row: Row) -> list[Shown]:
        """Return what a live connection is shown of `row`: one event, or none."""
        if row.kind == "message_chunk":
            return self._chunk(row)
        if row.kind == "message_reset":
            self._answers.pop(row.data["data"]["message_id"], None)
        if row.kind == "message":
            return self._message(row)
        return [shown(row)]

    def _chunk(self, row: Row) -> list[Shown]:
        data = row.data["data"]
        answer = self._answers.get(data["message_id"])
        if row.n == 0:
            answer = self._answers[data["message_id"]] = _Answer()
        if answer is not None and row.n == answer.pieces:
            answer.pieces += 1
            answer.parts.append(data["content"])
        elif answer is not None:
            del self._answers[data["message_id"]]
        return [shown(row)]

    def _message(self, row: Row) -> list[Shown]:
        if row.data["role"] == "tool":
            return []
        answer = self._answers.pop(row.data["message_id"], None)
        said = "".join(answer.parts) if answer else ""
        content: str = row.data["content"]
        if not said or not content.startswith(said):
            return [shown(row)]
        if rest := content[len(said) :]:
            data = wrapped(content=rest, message_id=row.data["message_id"], role=row.data["role"])
            return [Shown(row.position, row.created_at, "message_chunk", data)]
        return []


def shown(row: Row) -> Shown:
    """Return a row as it goes out unchanged."""
    return Shown(row.position, row.created_at, row.kind, row.data)


@dataclass(frozen=True)
class Opening:
    """What a connection begins with: finished messages, what is under way, and the position live news follow.

    `seen` is the position of the last event that the client has said it knows.
    """

    messages: list[Row]
    under_way: list[Row]
    start: int
    seen: int = 0


def split_opening(rows: list[Row], until: int) -> Opening:
    """Return what a fresh connection opens with.

    Pieces of an answer that is not finished, and an end, come after the history although they lie before `until`.
    """
    messages = [row for row in rows if row.kind == "message"]
    last = messages[-1].position if messages else 0
    under_way = [row for row in rows if row.position > last and row.kind in {"message_chunk", *TERMINAL}]
    return Opening(messages, under_way, until)
