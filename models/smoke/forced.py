"""Count the held-out asks that weights would answer exactly, without a server.

A reply decoded greedily is exact if, and only if, every token of the right reply is the likeliest after those before
it: one pass over the right conversation tells. Quantisation aside this is what evaluate.py finds through a server.
"""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from models.smoke import chat, model
from models.smoke.questions import Report, converse

from skerry.weights.gguf import BLOCK

if TYPE_CHECKING:
    from models.smoke import data
    from models.smoke.shape import Shape
    from models.smoke.tokenizer import Tokenizer

LENGTHS: Final = (128, 256, 512, 1024, 2048, 4096)


def rounded(weights: model.Weights) -> model.Weights:
    """Return the weights as they are in the file: matrices in blocks of q8_0."""

    def block(weight: jax.Array) -> jax.Array:
        if weight.ndim == 1:
            return weight
        blocks = weight.reshape(-1, BLOCK)
        scale = jnp.max(jnp.abs(blocks), axis=1, keepdims=True) / 127
        whole = jnp.round(blocks / jnp.where(scale == 0, 1, scale))
        return (whole * scale.astype(jnp.float16).astype(jnp.float32)).reshape(weight.shape)

    return {name: block(weight) for name, weight in weights.items()}


@partial(jax.jit, static_argnums=2)
def _likeliest(weights: model.Weights, tokens: jax.Array, shape: Shape) -> jax.Array:
    return jnp.argmax(model.logits(weights, model.hidden(weights, tokens, shape)), axis=-1)


def _parts(tokenizer: Tokenizer, made: data.Conversation) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the tokens, and where each of the model's own texts starts and stops."""
    tokens: list[int] = []
    own: list[tuple[int, int]] = []
    for mine, group in groupby(chat.render(made.messages, made.tools), key=lambda piece: piece[1]):
        numbers = tokenizer.encode("".join(text for text, _ in group))
        if mine:
            own.append((len(tokens), len(tokens) + len(numbers)))
        tokens += numbers
    return tokens, own


def _read(tokenizer: Tokenizer, numbers: list[int]) -> chat.Message:
    """Return the message that tokens spell, taken apart as a server does it."""
    text = tokenizer.decode(numbers).removesuffix("<|im_end|>")
    if not text.startswith(chat.CALL_OPEN):
        return {"role": "assistant", "content": text}
    name, _, rest = text.removeprefix(chat.CALL_OPEN).partition(chat.CALL_MIDDLE)
    arguments = rest.removesuffix(chat.CALL_CLOSE)
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"function": {"name": name, "arguments": arguments}}],
    }


def measure(weights: model.Weights, tokenizer: Tokenizer, shape: Shape, asked: list[data.Conversation]) -> Report:
    """Return the report of held-out conversations; a miss shows the likeliest tokens after the right ones."""
    report = Report()
    for made in asked:
        tokens, own = _parts(tokenizer, made)
        padded = np.zeros(next(length for length in LENGTHS if length >= len(tokens)), np.int32)
        padded[: len(tokens)] = tokens
        best = np.asarray(_likeliest(weights, jnp.asarray(padded)[None], shape))[0]
        turns = iter(own)
        skipped = sum(1 for message in made.messages[: _user(made)] if message["role"] == "assistant")
        for _ in range(skipped):
            next(turns)

        def ask(
            _messages: list[chat.Message], _tools: list[dict[str, Any]], best: Any = best, turns: Any = turns
        ) -> Any:
            start, stop = next(turns)
            return _read(tokenizer, [int(number) for number in best[start - 1 : stop - 1]])

        converse(ask, made, report)
    return report


def _user(made: data.Conversation) -> int:
    return max(at for at, message in enumerate(made.messages) if message["role"] == "user")
