"""Signs in texts: seen where they are, and not where they are not."""

from __future__ import annotations

import pytest

from skerry.conformance.reply import error_words, quote
from skerry.conformance.texts import find_call, find_chat_mark, unreadable

NAMES = frozenset({"get_weather"})


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
        "[TOOL_CALLS] [...]",
        "<|python_tag|>get_weather.call()",
        "<function=get_weather>",
        "<\uff5ctool\u2581calls\u2581begin\uff5c>",
        'Sure: {"name": "get_weather", "parameters": {"city": "Oslo"}}',
        '[{"function": {"name": "get_weather", "arguments": {}}}]',
    ],
)
def test_a_call_in_a_text(text: str) -> None:
    assert find_call(text, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The weather in Oslo is fine.",
        'A JSON object: {"name": "Ada", "arguments": []}',
        '{"name": "get_weather"}',
        "{" * 5000,
        '{"city": "Oslo"',
        "call get_weather to know",
    ],
)
def test_no_call_in_a_text(text: str) -> None:
    assert find_call(text, NAMES) == ""


def test_markers_between_turns() -> None:
    assert find_chat_mark("Hello<|im_end|>\n<|im_start|>user") == "<|im_end|>"
    assert find_chat_mark("[INST] hi [/INST]") == "[INST]"
    assert find_chat_mark("a < b, c > d, [1] and <s>trong") == "<s>"
    assert find_chat_mark("a < b, c > d, [1]") == ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("\ufffd\x00ab\ufffd", "characters that are none"),
        ("The the" + " over" * 40, "the same piece over and over"),
        ("abc" * 60, "the same piece over and over"),
        ("".join(chr(33 + n * 37 % 90) for n in range(140)), "no words"),
        ("", ""),
        ("A plain sentence, with a path: /srv/heron-7/file.tar.gz.", ""),
        ("one\n\n----------\n\ttwo", ""),
        ("東京は日本の首都です。人口は約1400万人で、世界最大級の都市の一つです。", ""),
        ("Grüße! Что это? 🦀", ""),
    ],
)
def test_what_nobody_could_read(text: str, fault: str) -> None:
    assert unreadable(text) == fault


def test_a_quote_is_safe_to_print() -> None:
    assert quote("a\x1b[31m\n\x9b\u202e") == '"a\\u001b[31m\\n\\u009b\\u202e"'
    assert quote("x" * 500, limit=10) == '"xxxxxxxxxx" ...'


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "no"}}, "no"),
        ({"error": "no"}, "no"),
        ({"object": "error", "message": "no"}, "no"),
        ({"detail": {"message": "no"}}, "no"),
        ({"error": {"code": 1}}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_words_of_an_error(body: object, words: str) -> None:
    assert error_words(body) == words
