"""JSON that is refused at the door, and JSON that is let through as it is."""

from __future__ import annotations

import json

import pytest

from skerry.kit.bodies import DEPTH_LIMIT, BodyError, read_json


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        {"a": [1, 2.5, True, None, "\U0001f9ea \u202e"]},
        {"a" * 1000: "b" * 1000},
        [{} for _ in range(1000)],
        "\\u0000 written out",
        {"a": {"a": {"a": 1}}},
    ],
)
def test_good_json_is_read(value: object) -> None:
    assert read_json(json.dumps(value).encode()) == value
    assert read_json(json.dumps(value, ensure_ascii=False).encode()) == value


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert read_json(b'"\\ud83e\\uddea"') == "\U0001f9ea"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"nan",
        b"NaN",
        b"[1, Infinity]",
        b'{"a": 1, "a": 2}',
        b'{"x": [{"a": 1, "a": 1}]}',
        b'"\\u0000"',
        b'{"\\u0000": 1}',
        b'{"a": ["\\ud800"]}',
        b'"\\udfff\\ud800"',
        b'"\x00"',
        b"\xff",
        b'"\xed\xa0\x80"',
        b'\xef\xbb\xbf"a"',
        '"a"'.encode("utf-16"),
        nested(100_000),
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    ],
)
def test_bad_json_is_refused(data: bytes) -> None:
    with pytest.raises(BodyError) as caught:
        read_json(data)
    assert caught.value.code == "request.json"


def test_the_limit_of_depth_is_exact() -> None:
    read_json(nested(DEPTH_LIMIT + 1))  # the innermost list is empty: DEPTH_LIMIT levels below the first
    with pytest.raises(BodyError):
        read_json(nested(DEPTH_LIMIT + 2))
