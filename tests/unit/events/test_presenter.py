"""What one connection is shown: every word once, whole messages to whoever came late."""

from __future__ import annotations

from typing import Any

from skerry.base import clock
from skerry.events.presenter import Presenter, Row, Shown, split_opening

NOW = clock.now()


def chunk(position: int, n: int, content: str, *, message: str = "m") -> Row:
    data = {"data": {"content": content, "message_id": message, "role": "assistant"}, "timestamp": "t"}
    return Row(position, "message_chunk", data, n, NOW)


def message(position: int, content: str, *, role: str = "assistant", identifier: str = "m") -> Row:
    return Row(position, "message", {"role": role, "content": content, "message_id": identifier}, None, NOW)


def reset(position: int, *, identifier: str = "m") -> Row:
    return Row(position, "message_reset", {"data": {"message_id": identifier, "attempt": 2}}, None, NOW)


def plain(position: int, kind: str) -> Row:
    return Row(position, kind, {}, None, NOW)


def shown(*rows: Row) -> list[Shown]:
    presenter = Presenter()
    return [event for row in rows for event in presenter.present(row)]


def brief(events: list[Shown]) -> list[tuple[int, str, Any]]:
    return [(event.position, event.kind, (event.data.get("data") or event.data).get("content")) for event in events]


def test_who_saw_every_piece_sees_no_message() -> None:
    assert brief(shown(chunk(1, 0, "a"), chunk(2, 1, "b"), message(3, "ab"))) == [
        (1, "message_chunk", "a"),
        (2, "message_chunk", "b"),
    ]


def test_what_was_missing_comes_as_a_piece() -> None:
    events = shown(chunk(1, 0, "a"), message(3, "abc"))
    assert brief(events)[1:] == [(3, "message_chunk", "bc")]
    assert events[1].data["data"]["message_id"] == "m"


def test_who_missed_the_beginning_sees_the_whole_message() -> None:
    assert brief(shown(chunk(2, 1, "b"), message(3, "ab")))[1:] == [(3, "message", "ab")]


def test_a_gap_gives_the_whole_message() -> None:
    assert brief(shown(chunk(1, 0, "a"), chunk(3, 2, "c"), message(4, "abc")))[2:] == [(4, "message", "abc")]


def test_a_reset_begins_again() -> None:
    rows = (chunk(1, 0, "wrong"), reset(2), chunk(3, 0, "ri"), message(4, "right"))
    assert brief(shown(*rows)) == [
        (1, "message_chunk", "wrong"),
        (2, "message_reset", None),
        (3, "message_chunk", "ri"),
        (4, "message_chunk", "ght"),
    ]


def test_a_reset_without_new_pieces_gives_the_whole_message() -> None:
    assert brief(shown(chunk(1, 0, "wr"), reset(2), message(3, "wrong")))[2:] == [(3, "message", "wrong")]


def test_another_text_than_the_pieces_gives_the_whole_message() -> None:
    assert brief(shown(chunk(1, 0, "x"), message(2, "ab")))[1:] == [(2, "message", "ab")]


def test_messages_do_not_mix() -> None:
    rows = (chunk(1, 0, "a", message="m"), message(2, "b", identifier="n"), message(3, "a", identifier="m"))
    assert brief(shown(*rows)) == [(1, "message_chunk", "a"), (2, "message", "b")]


def test_a_tools_words_are_told_by_its_completion() -> None:
    assert shown(message(1, "result", role="tool")) == []
    assert [event.kind for event in shown(plain(1, "tool_completed"), plain(2, "status"))] == [
        "tool_completed",
        "status",
    ]


def test_a_persons_words_are_shown() -> None:
    assert brief(shown(message(1, "hi", role="user"))) == [(1, "message", "hi")]


def test_an_opening_has_messages_first_and_what_is_under_way_after() -> None:
    rows = [message(1, "hi", role="user"), message(4, "x", role="tool"), chunk(6, 0, "a"), chunk(7, 1, "b")]
    opening = split_opening(rows, 9)
    assert [row.position for row in opening.messages] == [1, 4]
    assert [row.position for row in opening.under_way] == [6, 7]
    assert opening.start == 9


def test_an_opening_of_something_ended_tells_the_end() -> None:
    opening = split_opening([message(1, "hi"), plain(3, "done")], 3)
    assert [row.kind for row in opening.under_way] == ["done"]


def test_pieces_before_a_finished_message_are_not_shown_again() -> None:
    opening = split_opening([chunk(1, 0, "a"), message(2, "ab")], 2)
    assert opening.under_way == []


def test_an_opening_of_nothing() -> None:
    opening = split_opening([], 0)
    assert (opening.messages, opening.under_way, opening.start) == ([], [], 0)
