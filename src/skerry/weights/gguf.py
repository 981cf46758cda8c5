"""Write a GGUF file (version 3), matrices as q8_0 where nothing else is said, without any library.

Contract: pure; the same metadata and tensors in the same order give the same bytes on every machine.
Source: the GGUF specification and block_q8_0 of ggml (32 values: one half-precision scale, 32 signed bytes).
"""

from __future__ import annotations

import struct
import sys
from array import array
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAGIC: Final = b"GGUF"
VERSION: Final = 3
ALIGNMENT: Final = 32
BLOCK: Final = 32
CHUNK: Final = 1 << 16
F32: Final = 0
F16: Final = 1
Q8_0: Final = 8
FILE_TYPE_F16: Final = 1
FILE_TYPE_Q8_0: Final = 7
"""`general.file_type`: what most of a file's numbers are."""
QUANTISATION: Final = 2
"""`general.quantization_version`: the form of ggml's blocks."""
_UINT32, _FLOAT32, _BOOL, _STRING, _ARRAY, _INT32 = 4, 6, 7, 8, 9, 5
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 1, 2, 3, 4, 5
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
    return struct.pack("<IIQ", _ARRAY, _INT32, len(value)) + _little(array("i", [int(each) for each in value]))


def _little(values: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def quantise(values: Sequence[float]) -> bytes:
    """Return values as q8_0 blocks; their count is a multiple of 32."""
    out = bytearray()
    pack = struct.Struct("<e32b").pack
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        scale = max(map(abs, block)) / 127
        inverse = 1 / scale if scale else 0.0
        out += pack(scale, *[round(value * inverse) for value in block])
    return bytes(out)


def halves(values: Sequence[float]) -> bytes:
    """Return values in half precision, rounded to the nearest (ties to even); struct refuses what is too large."""
    parts = (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))
    return b"".join(struct.pack(f"<{len(part)}e", *part) for part in parts)


def _body(values: Sequence[float], kind: int) -> bytes:
    if kind == F32:
        return _little(array("f", values))
    return halves(values) if kind == F16 else quantise(values)


def file(
    metadata: Mapping[str, Value], tensors: Mapping[str, Tensor], *, kinds: Mapping[str, int] | None = None
) -> bytes:
    """Return a whole GGUF file: metadata and tensors in the order given.

    Args:
        metadata: whole numbers become uint32, fractions float32.
        tensors: vectors are written as float32, matrices as q8_0.
        kinds: F32 or F16 for tensors that are written otherwise.
    """
    infos, bodies, offset = bytearray(), bytearray(), 0
    for name, (sizes, values) in tensors.items():
        kind = (kinds or {}).get(name, F32 if len(sizes) == 1 else Q8_0)
        body = _body(values, kind)
        infos += _string(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes[::-1], kind, offset)
        body += bytes(-len(body) % ALIGNMENT)
        bodies += body
        offset += len(body)
    head = struct.pack("<4sIQQ", MAGIC, VERSION, len(tensors), len(metadata))
    head += b"".join(_string(key) + _value(value) for key, value in metadata.items()) + infos
    return head + bytes(-len(head) % ALIGNMENT) + bytes(bodies)
