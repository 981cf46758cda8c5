"""UUIDv7 and the one answer for what is not there."""

from __future__ import annotations

import datetime as dt

import pytest

from skerry.base import clock
from skerry.base.errors import NotFoundError
from skerry.kit.ids import new_id, parse_id


def test_ids_are_version_7_with_the_time_first() -> None:
    before = clock.now()
    one = new_id()
    assert one.version == 7
    assert one.variant == "specified in RFC 4122"
    moment = dt.datetime.fromtimestamp((one.int >> 80) / 1000, dt.UTC)
    assert abs((moment - before).total_seconds()) < 1


def test_ids_grow_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    start = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    moments = [start + dt.timedelta(microseconds=step) for step in (0, 1, 500, 999, 1000, 61_000_000)]
    remaining = iter(moments)
    monkeypatch.setattr(clock, "now", lambda: next(remaining))
    made = [new_id() for _ in moments]
    assert made == sorted(made)


def test_ids_do_not_repeat() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "not-a-uuid",
        "0190c0de000070008000000000000001",
        "{0190c0de-0000-7000-8000-000000000001}",
        "urn:uuid:0190c0de-0000-7000-8000-000000000001",
        "0190c0de-0000-7000-8000-00000000000\uff11",
        "\x00",
        "../../etc/passwd",
    ],
)
def test_a_malformed_id_names_nothing(text: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        parse_id(text, what="agent")
    assert caught.value.code == "agent.not_found"


def test_an_id_is_read_in_either_case() -> None:
    text = "0190C0DE-0000-7000-8000-00000000000A"
    assert str(parse_id(text, what="agent")) == text.lower()
