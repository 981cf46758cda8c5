"""GGUF blocks by the definition of q8_0, and a file whose parts stand where its head says."""

from __future__ import annotations

import struct

from models.smoke import gguf


def test_a_block_is_a_scale_and_32_bytes() -> None:
    values = [float(number) for number in range(-16, 16)]
    raw = gguf.quantise(values)
    assert len(raw) == 34
    scale, *numbers = struct.unpack("<e32b", raw)
    assert max(abs(scale * number - value) for number, value in zip(numbers, values, strict=True)) <= 16 / 127


def test_zeros_stay_zero() -> None:
    assert gguf.quantise([0.0] * 32) == bytes(34)


def test_tensors_are_aligned_and_sizes_run_innermost_first() -> None:
    matrix = gguf.file({"general.architecture": "qwen2"}, {"m": ((2, 32), [1.0] * 64), "n": ((3,), [1.0, 2.0, 3.0])})
    assert matrix[:8] == b"GGUF" + struct.pack("<I", 3)
    assert len(matrix) % gguf.ALIGNMENT == 0
    place = matrix.index(struct.pack("<Q", 1) + b"m") + 9
    assert struct.unpack_from("<IQQIQ", matrix, place) == (2, 32, 2, gguf.Q8_0, 0)
    place = matrix.index(struct.pack("<Q", 1) + b"n") + 9
    dimensions, size, kind, offset = struct.unpack_from("<IQIQ", matrix, place)
    assert (dimensions, size, kind, offset) == (1, 3, gguf.F32, 96)
    assert struct.unpack_from("<3f", matrix, len(matrix) - 32) == (1.0, 2.0, 3.0)
