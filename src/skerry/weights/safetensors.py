"""Read a safetensors file: names, sizes and values of its tensors.

Contract: pure; the header is held to the bytes (no gap, no overlap, sizes that fit), so that a damaged file is refused
before a value of it is used. Single precision only, which is what is converted here; other tensors are named, not read.
Source: the safetensors format (8 bytes length, little-endian; a JSON header; the values).
"""

from __future__ import annotations

import json
import math
import struct
import sys
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skerry.base.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping

LENGTH: Final = struct.Struct("<Q")
METADATA: Final = "__metadata__"
SINGLE: Final = "F32"
WIDTHS: Final = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


@dataclass(frozen=True)
class Entry:
    """One tensor of a file: kind of its values, sizes outermost first, first byte and the byte after its last."""

    kind: str
    sizes: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Safetensors:
    """An opened file: its entries by name, and the values' bytes."""

    entries: Mapping[str, Entry]
    body: memoryview

    def floats(self, name: str) -> array[float]:
        """Return the values of a single-precision tensor.

        Raises:
            IntegrityError: `weights.tensor` when there is none of that name and kind.
        """
        entry = self.entries.get(name)
        if entry is None or entry.kind != SINGLE:
            raise _damaged(f"no {SINGLE} tensor {name}")
        values = array("f", self.body[entry.begin : entry.end].tobytes())
        if sys.byteorder == "big":
            values.byteswap()
        return values


def read_safetensors(data: bytes) -> Safetensors:
    """Return what a file holds.

    Raises:
        IntegrityError: `weights.tensor`.
    """
    if len(data) < LENGTH.size:
        raise _damaged("the file is too short")
    (length,) = LENGTH.unpack_from(data)
    start = LENGTH.size + length
    if start > len(data):
        raise _damaged("the header is longer than the file")
    try:
        header = json.loads(data[LENGTH.size : start])
        entries = {name: _entry(one) for name, one in header.items() if name != METADATA}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(f"the header is damaged: {error!r}") from error
    place = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].begin):
        wanted = math.prod(entry.sizes) * WIDTHS.get(entry.kind, 0)
        if entry.begin != place or entry.end - entry.begin != wanted or entry.kind not in WIDTHS:
            raise _damaged(f"{name} does not lie where its header says")
        place = entry.end
    if start + place != len(data):
        raise _damaged("the values are longer or shorter than the header says")
    return Safetensors(entries, memoryview(data)[start:])


def _entry(one: Mapping[str, Any]) -> Entry:
    begin, end = one["data_offsets"]
    return Entry(str(one["dtype"]), tuple(int(size) for size in one["shape"]), int(begin), int(end))


def _damaged(what: str) -> IntegrityError:
    return IntegrityError("weights.tensor", f"these are not the weights: {what}", "fetch them again")
