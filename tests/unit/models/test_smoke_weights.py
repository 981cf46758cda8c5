"""The weights that ship are those of the record and the catalogue, and were trained on the product's present texts."""

from __future__ import annotations

import hashlib
import tomllib
import warnings
from pathlib import Path

from models.smoke.shipped import read_metadata, read_tokenizer
from models.smoke.texts import TextsChangedWarning, texts_digest

from skerry.base.paths import find_checkout

FOLDER = find_checkout(Path(__file__)).models / "smoke"
RECORD = tomllib.loads((FOLDER / "smoke.toml").read_text())
LIMIT_BYTES = 4_000_000


def test_the_weights_are_those_of_the_record_and_the_catalogue() -> None:
    raw = (FOLDER / "smoke.gguf").read_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    catalogue = tomllib.loads((FOLDER.parent / "catalog.toml").read_text())["model"]
    assert len(raw) == RECORD["bytes"] < LIMIT_BYTES
    assert RECORD["sha256"] == digest
    assert digest in str(next(model for model in catalogue if model["id"] == "skerry/smoke"))


def test_the_file_says_what_it_is() -> None:
    held = read_metadata(FOLDER / "smoke.gguf")
    assert held["general.architecture"] == "qwen2"
    assert held["general.license"] == "apache-2.0"
    tokenizer = read_tokenizer(FOLDER / "smoke.gguf")
    text = "Find the error in größe/kiosk-10.110.log."
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_product_s_texts_are_those_of_the_training() -> None:
    """A changed text warns here; the accuracy test says whether the model still understands it."""
    if RECORD["texts"] != texts_digest():
        warnings.warn(
            "skerry.agent.prompts has changed since the smoke model was trained: see its accuracy, train it anew",
            TextsChangedWarning,
            stacklevel=1,
        )
