"""llm.texts: what BERT's own tokenizer would do to a text, and nothing to a text that needs nothing."""

from __future__ import annotations

import string
import unicodedata

import pytest

from skerry.llm.texts import FAMILIES, SYMBOLS, plain_text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("The disk /dev/sda1 is 91% full: act!", "The disk /dev/sda1 is 91% full: act!"),
        ("status=500", "status = 500"),
        ("a|b", "a | b"),
        ("caf\u00e9, cafe\u0301, Z\u00fcrich, \u00c5", "cafe, cafe, Zurich, A"),
        ("one\ttwo\nthree\u00a0four", "one two three four"),
        ("zero\u200bwidth \x07bell\x00", "zerowidth bell"),
        ("5\u20ac \u2192 \u6f22\u5b57", "5\u20ac \u2192 \u6f22\u5b57"),
        ("\u201cit\u2019s down\u201d \u2014 they said\u2026", '"it\'s down" - they said...'),
        ("\u00bfqu\u00e9? \uff08full\uff09\u3002", " que? (full)."),
        ("", ""),
    ],
)
def test_texts(text: str, plain: str) -> None:
    assert plain_text(text) == plain
    assert plain_text(plain).split() == plain.split()


def test_the_symbols_are_the_ascii_marks_that_unicode_does_not_call_punctuation() -> None:
    assert set(SYMBOLS) == set("$+<=>^`|~")
    assert {unicodedata.category(char)[0] for char in set(string.punctuation) - set(SYMBOLS)} == {"P"}


def test_the_products_own_embedding_model_is_of_such_a_family() -> None:
    assert {"minilm"} == FAMILIES
