"""Read a GGUF file back, as far as ours go: for tests of what was written, and for tools that look at one."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

SIMPLE = {4: "<I", 5: "<i", 6: "<f", 7: "<?"}
STRING, ARRAY = 8, 9
BLOCK, F32, F16, Q8_0 = 32, 0, 1, 8


@dataclass
class Reader:
    """A place in bytes."""

    data: bytes
    at: int = 0

    def take(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def text(self) -> str:
        length = self.take("<Q")
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            inner, count = self.take("<I"), self.take("<Q")
            return [self.value(inner) for _ in range(count)]
        return self.take(SIMPLE[kind])


@dataclass(frozen=True)
class Gguf:
    """Metadata, and each tensor's kind, sizes (outermost first) and values."""

    metadata: dict[str, Any]
    tensors: dict[str, tuple[int, tuple[int, ...], list[float]]]


def read_gguf(data: bytes) -> Gguf:
    """Return what a file holds."""
    reader = Reader(data)
    assert reader.take("<4s") == b"GGUF"
    assert reader.take("<I") == 3
    count, pairs = reader.take("<Q"), reader.take("<Q")
    metadata: dict[str, Any] = {}
    for _ in range(pairs):
        key = reader.text()
        metadata[key] = reader.value(reader.take("<I"))
    infos = []
    for _ in range(count):
        name = reader.text()
        sizes = tuple(reader.take("<Q") for _ in range(reader.take("<I")))[::-1]
        infos.append((name, sizes, reader.take("<I"), reader.take("<Q")))
    start = reader.at + -reader.at % metadata["general.alignment"]
    return Gguf(
        metadata, {name: (kind, sizes, values(data, start + at, kind, sizes)) for name, sizes, kind, at in infos}
    )


def values(data: bytes, at: int, kind: int, sizes: tuple[int, ...]) -> list[float]:
    """Return the values of one tensor."""
    assert at % BLOCK == 0
    count = math.prod(sizes)
    if kind in {F32, F16}:
        return list(struct.unpack_from(f"<{count}{'f' if kind == F32 else 'e'}", data, at))
    assert kind == Q8_0
    found: list[float] = []
    for scale, *numbers in struct.iter_unpack("<e32b", data[at : at + count // BLOCK * 34]):
        found += [scale * number for number in numbers]
    return found
