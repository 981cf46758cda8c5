"""What a model is told, word for word: the system prompt, the tools' schemas, and how results are rendered.

Contract: the product sends exactly these texts and the smoke model is trained on exactly these texts
(models/smoke imports this module), so a change here is a change of the model's input and must be made with its
accuracy test at hand.
"""

from __future__ import annotations

from typing import Any, Final

SYSTEM_PROMPT: Final = (
    "You are an agent. Work on what the person asks with the tools you are given. "
    "Paths are relative to your workspace. Quote what you find exactly. "
    "If a call is denied, say so and go on."
)

READ_FILE: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Read a text file in the workspace.",
        "parameters": {
            "type": "object",
            "properties": {"path": {"type": "string", "description": "Path of the file."}},
            "required": ["path"],
        },
    },
}

TOOLS: Final[dict[str, dict[str, Any]]] = {"read_file": READ_FILE}
"""Built-in tools by name, in the shape of the chat completions API (`tools`)."""

RESULT_LIMIT_CHARS: Final = 16_000
"""Longest tool result a model is shown; the rest is cut and said to be cut."""


def render_system(agent_prompt: str | None) -> str:
    """Return the system message: the product's own text, then the agent's, a blank line between."""
    extra = (agent_prompt or "").strip()
    return f"{SYSTEM_PROMPT}\n\n{extra}" if extra else SYSTEM_PROMPT


def render_result(content: str) -> str:
    """Return a tool's result as the model sees it, cut at RESULT_LIMIT_CHARS with a line that says so."""
    if len(content) <= RESULT_LIMIT_CHARS:
        return content
    return f"{content[:RESULT_LIMIT_CHARS]}\n[cut: {len(content) - RESULT_LIMIT_CHARS} more characters]"


def render_denial(rule: str, reason: str) -> str:
    """Return what the model is told when policy denies a call; `rule` is the rule's id, `reason` its own words."""
    return f"Denied by policy {rule}: {reason}"


def render_error(code: str, message: str) -> str:
    """Return what the model is told when a tool could not do it (`file.not_found`, `tool.unknown`, ...)."""
    return f"Error {code}: {message}"
