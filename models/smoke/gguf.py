"""The smoke model as a GGUF file of the `qwen2` architecture; skerry.weights.gguf writes the file's form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.smoke.tokenizer import END, PAD, PRE

from skerry.weights.gguf import (
    ALIGNMENT,
    CONTROL,
    F32,
    FILE_TYPE_Q8_0,
    NORMAL,
    Q8_0,
    QUANTISATION,
    UNUSED,
    USER_DEFINED,
    Tensor,
    Value,
    file,
    quantise,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.smoke.shape import Shape
    from models.smoke.tokenizer import Tokenizer

__all__ = ["ALIGNMENT", "F32", "Q8_0", "Tensor", "Value", "file", "quantise", "smoke", "vocabulary"]


def vocabulary(tokenizer: Tokenizer) -> dict[str, Value]:
    """Return the tokenizer's part of the metadata."""
    first = tokenizer.first_special
    specials = {**dict.fromkeys(tokenizer.controls, CONTROL), **dict.fromkeys(tokenizer.literals, USER_DEFINED)}
    types = [NORMAL if number < first else specials.get(text, UNUSED) for number, text in enumerate(tokenizer.tokens)]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": PRE,
        "tokenizer.ggml.tokens": tokenizer.tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": [f"{left} {right}" for left, right in tokenizer.merges],
        "tokenizer.ggml.eos_token_id": tokenizer.numbers[END],
        "tokenizer.ggml.padding_token_id": tokenizer.numbers[PAD],
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": False,
    }


def smoke(tokenizer: Tokenizer, shape: Shape, weights: Mapping[str, Tensor]) -> bytes:
    """Return the smoke model's file."""
    metadata: dict[str, Value] = {
        "general.architecture": "qwen2",
        "general.name": "skerry-smoke",
        "general.alignment": ALIGNMENT,
        "general.file_type": FILE_TYPE_Q8_0,
        "general.quantization_version": QUANTISATION,
        "general.license": "apache-2.0",
        "qwen2.block_count": shape.layers,
        "qwen2.context_length": shape.context,
        "qwen2.embedding_length": shape.width,
        "qwen2.feed_forward_length": shape.hidden,
        "qwen2.attention.head_count": shape.heads,
        "qwen2.attention.head_count_kv": shape.heads,
        "qwen2.attention.layer_norm_rms_epsilon": shape.epsilon,
        "qwen2.rope.freq_base": shape.rope_base,
        "qwen2.vocab_size": tokenizer.size,
    }
    return file(metadata | vocabulary(tokenizer), weights)
