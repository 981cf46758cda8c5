"""Training is repeatable: the same seed and steps give the same weights, to the byte."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from skerry.base.paths import find_checkout
from skerry.base.process import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

STEPS = 50


def train(out: Path, compiled: Path, *more: str) -> str:
    """Train a little and return the digest of the weights."""
    options = [f"--out={out}", f"--compiled={compiled}", "--stages=short", "--batch=512", "--ask=0", *more]
    run([find_checkout().root / "scripts" / "smoke-model", *options], deadline_s=600)
    return hashlib.sha256((out / "smoke.gguf").read_bytes()).hexdigest()


def test_training_twice_gives_the_same_weights(tmp_path: Path) -> None:
    first, second = (train(tmp_path / name, tmp_path / "compiled", f"--steps={STEPS}") for name in ("a", "b"))
    assert first == second
    assert train(tmp_path / "c", tmp_path / "compiled", "--steps=5", "--seed=1") != first
