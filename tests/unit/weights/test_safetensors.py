"""weights.safetensors: values come back as they were written, and a damaged file is refused."""

from __future__ import annotations

import json
import struct
from array import array
from typing import Any

import pytest
from tests.unit.weights import tiny

from skerry.base.errors import IntegrityError
from skerry.weights.safetensors import read_safetensors

HELD = {"a": ((2, 2), array("f", [1.0, -2.0, 0.5, 3.25])), "b": ((1,), array("f", [7.0]))}


def test_values_come_back() -> None:
    found = read_safetensors(tiny.safetensors(HELD))
    assert found.entries["a"].sizes == (2, 2)
    assert list(found.floats("a")) == [1.0, -2.0, 0.5, 3.25]
    assert list(found.floats("b")) == [7.0]


@pytest.mark.parametrize("name", ["c", "embeddings.position_ids"])
def test_what_is_not_there_or_no_float_is_refused(name: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        read_safetensors(tiny.safetensors(HELD)).floats(name)
    assert caught.value.code == "weights.tensor"


def rebuilt(**changes: Any) -> bytes:
    """Return a file whose tensor `a` says something else of itself."""
    header = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(8)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1234",
        struct.pack("<Q", 99) + b"{}",
        struct.pack("<Q", 2) + b"{]",
        struct.pack("<Q", 2) + b"[]",
        rebuilt(shape=[3]),
        rebuilt(data_offsets=[0, 4]),
        rebuilt(data_offsets=[4, 12]),
        rebuilt(dtype="F8"),
        rebuilt(shape=["x"]),
        rebuilt(data_offsets=[0]),
        rebuilt() + b"more",
        rebuilt()[:-1],
    ],
)
def test_a_damaged_file_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError) as caught:
        read_safetensors(data)
    assert caught.value.code == "weights.tensor"
