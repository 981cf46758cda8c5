"""Signs in a model's text: a call that nobody parsed, another model's markers, words that are none.

Contract: heuristics, each with words for what was seen. They are made to miss rather than to accuse: a sound text in
any language has none of these signs.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection

CALL_MARKS: Final = re.compile(
    r"<\|?/?tool_calls?(?:_begin)?\|?>|<\|?function(?:_call)?[=>|]|\[/?TOOL_CALLS?\]|<\|python_tag\|>|<\uff5ctool\u2581calls?\u2581begin\uff5c>|"
    r"<\|action_start\|>|functools\["
)
"""Markers by which families of models open a call (Qwen and Hermes, Llama, Mistral, DeepSeek, InternLM, Phi)."""
CHAT_MARKS: Final = re.compile(
    r"<\|im_(?:start|end)\|>|\[/?INST\]|<\|(?:eot_id|start_header_id|end_header_id|begin_of_text|endoftext)\|>|"
    r"</?s>|<(?:start|end)_of_turn>|<\|(?:user|assistant|system|end)\|>|<\uff5c(?:User|Assistant)\uff5c>"
)
"""Markers between the turns of a conversation; a good template keeps them out of answers."""
ARGUMENT_KEYS: Final = ("arguments", "parameters")
UNREADABLE: Final = frozenset({"Cc", "Co", "Cn", "Cs"})
UNREADABLE_SHARE: Final = 0.02
LOOP: Final = re.compile(r"(.{1,40}?)\1{7,}.{0,40}\Z", re.DOTALL)
LOOP_TAIL_CHARS: Final = 800
LOOP_CHARS: Final = 60
RUN: Final = re.compile(r"[!-~]{100,}")
"""So many letters and signs without a blank are no words of a language."""


def find_call(text: str, names: Collection[str]) -> str:
    """Return what looks like a tool call inside a text, nothing when there is none.

    Args:
        text: what a model said.
        names: the tools on offer: a JSON object counts when it names one of them with arguments.
    """
    if found := CALL_MARKS.search(text):
        return found.group()
    decoder = json.JSONDecoder()
    for start in (found.start() for found in re.finditer(r"\{", text)):
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if _is_call(value, names):
            return text[start : start + 60]
    return ""


def _is_call(value: Any, names: Collection[str]) -> bool:
    function = value.get("function") if isinstance(value, dict) else None
    inner = function if isinstance(function, dict) else value
    return isinstance(inner, dict) and inner.get("name") in names and any(key in inner for key in ARGUMENT_KEYS)


def find_chat_mark(text: str) -> str:
    """Return a marker between turns that stands inside a text, nothing when there is none."""
    found = CHAT_MARKS.search(text)
    return found.group() if found else ""


def unreadable(text: str) -> str:
    """Return why a text is none that a person could read, nothing when it may be one."""
    odd = sum(char == "\ufffd" or (unicodedata.category(char) in UNREADABLE and char not in "\n\t\r") for char in text)
    if text and odd / len(text) > UNREADABLE_SHARE:
        return "characters that are none"
    loop = LOOP.search(text[-LOOP_TAIL_CHARS:])
    if loop and len(loop.group()) >= LOOP_CHARS:
        return "the same piece over and over"
    if RUN.search(text):
        return "no words"
    return ""
