"""The fields of a request that are the OpenAI API's. LiteLLM takes more, as orders: addresses, canned answers, retries.

Source: OpenAI API reference, chat completions and embeddings; what the local model servers understand of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from skerry.base.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS: Final = frozenset(
    {
        # both
        "model",
        "user",
        # chat
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        # embeddings
        "dimensions",
        "encoding_format",
        "input",
    }
)


def refuse_foreign_fields(body: Mapping[str, Any]) -> None:
    """Raise InvalidInputError (`llm.field`) when a request's body has a field outside FIELDS."""
    foreign = sorted(set(body) - FIELDS)
    if foreign:
        raise InvalidInputError(
            "llm.field", f"unknown field {', '.join(foreign)[:200]}", "send fields of the OpenAI API only"
        )
