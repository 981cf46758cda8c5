"""Write a GGUF file (version 3) of the `qwen2` architecture, matrices as q8_0, without any library.

Source: the GGUF specification and block_q8_0 of ggml (32 values: one half-precision scale, 32 signed bytes).
"""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING, Final

from models.smoke.tokenizer import END, PAD, PRE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.smoke.shape import Shape
    from models.smoke.tokenizer import Tokenizer

ALIGNMENT: Final = 32
BLOCK: Final = 32
F32: Final = 0
Q8_0: Final = 8
_UINT32, _FLOAT32, _BOOL, _STRING, _ARRAY, _INT32 = 4, 6, 7, 8, 9, 5
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""Token types."""

Value = int | float | bool | str | list[str] | list[int]
Tensor = tuple[tuple[int, ...], "Sequence[float]"]
"""Sizes, outermost first, and the values in that order."""


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Value) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    if isinstance(value, float):
        return struct.pack("<If", _FLOAT32, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _string(value)
    if isinstance(value[0], str):
        return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(_string(str(each)) for each in value)
    return struct.pack("<IIQ", _ARRAY, _INT32, len(value)) + array("i", [int(each) for each in value]).tobytes()


def quantise(values: Sequence[float]) -> bytes:
    """Return values as q8_0 blocks; their count is a multiple of 32."""
    out = bytearray()
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        scale = max(abs(value) for value in block) / 127
        inverse = 1 / scale if scale else 0.0
        out += struct.pack("<e32b", scale, *(round(value * inverse) for value in block))
    return bytes(out)


def _tensor(tensor: Tensor) -> tuple[int, bytes]:
    sizes, values = tensor
    if len(sizes) == 1:
        return F32, array("f", values).tobytes()
    return Q8_0, quantise(values)


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


def file(metadata: Mapping[str, Value], tensors: Mapping[str, Tensor]) -> bytes:
    """Return a whole GGUF file."""
    infos, bodies, offset = bytearray(), bytearray(), 0
    for name, tensor in tensors.items():
        kind, body = _tensor(tensor)
        sizes = tensor[0][::-1]
        infos += _string(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)
        body += bytes(-len(body) % ALIGNMENT)
        bodies += body
        offset += len(body)
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))
    head += b"".join(_string(key) + _value(value) for key, value in metadata.items()) + infos
    return head + bytes(-len(head) % ALIGNMENT) + bytes(bodies)


def smoke(tokenizer: Tokenizer, shape: Shape, weights: Mapping[str, Tensor]) -> bytes:
    """Return the smoke model's file."""
    metadata: dict[str, Value] = {
        "general.architecture": "qwen2",
        "general.name": "skerry-smoke",
        "general.alignment": ALIGNMENT,
        "general.file_type": 7,
        "general.quantization_version": 2,
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
