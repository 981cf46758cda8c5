"""Read a GGUF file's metadata, and the tokenizer that shipped weights were trained with.

Source: the GGUF specification, version 3.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from models.smoke.tokenizer import END, PAD, START, Tokenizer

if TYPE_CHECKING:
    from pathlib import Path

_SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING: Final = 8
_ARRAY: Final = 9
_USER_DEFINED: Final = 4


def _unpack(stream: BinaryIO, form: str) -> Any:
    return struct.unpack(f"<{form}", stream.read(struct.calcsize(f"<{form}")))[0]


def _string(stream: BinaryIO) -> str:
    return stream.read(_unpack(stream, "Q")).decode()


def _value(stream: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(stream)
    if kind == _ARRAY:
        inner, count = _unpack(stream, "I"), _unpack(stream, "Q")
        return [_value(stream, inner) for _ in range(count)]
    return _unpack(stream, _SCALARS[kind])


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata of a GGUF file.

    Raises:
        ValueError: it is none, or of another version.
    """
    with path.open("rb") as stream:
        magic, version, _tensors, count = struct.unpack("<4sIQQ", stream.read(24))
        if (magic, version) != (b"GGUF", 3):
            raise ValueError(f"{path} is no GGUF file of version 3")
        found: dict[str, Any] = {}
        for _ in range(count):
            key = _string(stream)
            found[key] = _value(stream, _unpack(stream, "I"))
        return found


def read_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer that a smoke model's file holds."""
    held = read_metadata(path)
    tokens, types = held["tokenizer.ggml.tokens"], held["tokenizer.ggml.token_type"]
    literals = tuple(text for text, kind in zip(tokens, types, strict=True) if kind == _USER_DEFINED)
    first, second = zip(*(merge.split(" ") for merge in held["tokenizer.ggml.merges"]), strict=True)
    return Tokenizer(tuple(zip(first, second, strict=True)), (START, END, PAD), literals, len(tokens))
