"""Conversations as text: what Ollama renders from the Modelfile's template, byte for byte.

Its own renderings are recorded in tests/vectors/smoke, and a test compares.

Source: Ollama 0.24, template/template.go (order and escaping of the tools' JSON, merging of messages) and the
TEMPLATE of the Modelfile here.
"""

from __future__ import annotations

import json
from typing import Any, Final

from models.smoke.tokenizer import END, START

Message = dict[str, Any]
"""A message of the chat completions API: role, content, tool_calls."""

CALL_OPEN: Final = '<tool_call>\n{"name": "'
CALL_MIDDLE: Final = '", "arguments": '
CALL_CLOSE: Final = "}\n</tool_call>"


def go_json(value: object) -> str:
    """Return `value` as Go's encoding/json prints it: no blanks, <, > and & escaped, other letters as they are."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _properties(properties: dict[str, Any]) -> dict[str, Any]:
    order = ("anyOf", "type", "items", "description", "enum", "properties", "required")
    return {
        name: {key: properties[name][key] for key in order if key in properties[name]} for name in sorted(properties)
    }


def tools_json(tools: list[dict[str, Any]]) -> str:
    """Return the tools as Ollama's `{{ .Tools }}` prints them."""
    shown = []
    for tool in tools:
        function = tool["function"]
        parameters: dict[str, Any] = {"type": function["parameters"]["type"]}
        if function["parameters"].get("required"):
            parameters["required"] = function["parameters"]["required"]
        parameters["properties"] = _properties(function["parameters"].get("properties", {}))
        described = {"name": function["name"], "description": function.get("description", ""), "parameters": parameters}
        shown.append({"type": tool["type"], "function": described})
    return go_json(shown)


def tools_block(tools: list[dict[str, Any]]) -> str:
    """Return what follows the system text when there are tools."""
    return f"\n\nTools: {tools_json(tools)}"


def call(name: str, arguments: dict[str, Any]) -> Message:
    """Return the assistant's message that calls a tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "call_0", "type": "function", "function": function}],
    }


def reply_text(message: Message) -> str:
    """Return what stands between the assistant's marker and the end marker."""
    text = str(message.get("content") or "")
    for each in message.get("tool_calls") or []:
        arguments = go_json(dict(sorted(json.loads(each["function"]["arguments"]).items())))
        text += CALL_OPEN + each["function"]["name"] + CALL_MIDDLE + arguments + CALL_CLOSE
    return text


def render(messages: list[Message], tools: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    """Return the conversation in pieces; True marks what the model itself writes, with its end marker.

    At most one system message, the first. Joined, and followed by `OPEN` when an answer is due, the pieces are
    the model's input.
    """
    pieces: list[tuple[str, bool]] = []
    system = messages[0]["content"] if messages and messages[0]["role"] == "system" else ""
    if system or tools:
        pieces.append((f"{START}system\n{system}{tools_block(tools) if tools else ''}{END}\n", False))
    for message in messages:
        if message["role"] == "assistant":
            pieces += [(f"{START}assistant\n", False), (f"{reply_text(message)}{END}", True), ("\n", False)]
        elif message["role"] in {"user", "tool"}:
            pieces.append((f"{START}{message['role']}\n{message['content']}{END}\n", False))
    return pieces


OPEN: Final = f"{START}assistant\n"
"""What asks for an answer, after the pieces of `render`."""


def prompt(messages: list[Message], tools: list[dict[str, Any]]) -> str:
    """Return the model's input when an answer to `messages` is due."""
    return "".join(text for text, _ in render(messages, tools)) + OPEN
