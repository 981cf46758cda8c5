"""all-MiniLM-L6-v2 in double precision, straight from the published weights: what a served embedding is compared with.

The network is that of Devlin et al. 2019 (BERT) with the mean over all tokens, the tokenizer that of its authors:
lower case, no accents, no control characters, punctuation and ideographs apart, then the longest known pieces
(Wu et al. 2016).
"""

from __future__ import annotations

import json
import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skerry.weights.safetensors import read_safetensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from skerry.weights.bert import Files

    Array = NDArray[np.float64]

LONGEST_TEXT = 256
LONGEST_WORD = 100
ERF = np.vectorize(math.erf, otypes=[np.float64])


@dataclass(frozen=True)
class Reference:
    """The model: its tensors by their published names, its vocabulary, its sizes."""

    tensors: dict[str, Array]
    numbers: dict[str, int]
    layers: int
    heads: int
    epsilon: float

    def embed(self, text: str) -> Array:
        """Return the unit vector of a text."""
        rows = self._encode(self.tokens(text)).mean(axis=0)
        return np.asarray(rows / np.linalg.norm(rows))

    def tokens(self, text: str) -> list[int]:
        """Return the numbers of a text's tokens, between start and end."""
        pieces = [piece for word in words(text) for piece in self._pieces(word)][: LONGEST_TEXT - 2]
        return [self.numbers[token] for token in ("[CLS]", *pieces, "[SEP]")]

    def _pieces(self, word: str) -> list[str]:
        found: list[str] = []
        start = 0
        while start < len(word):
            lead = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if lead + word[start:end] in self.numbers), None)
            if end is None or len(word) > LONGEST_WORD:
                return ["[UNK]"]
            found.append(lead + word[start:end])
            start = end
        return found

    def _encode(self, tokens: list[int]) -> Array:
        held = self.tensors
        rows = held["embeddings.word_embeddings.weight"][tokens]
        rows = rows + held["embeddings.position_embeddings.weight"][: len(tokens)]
        rows = self._norm(rows + held["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for number in range(self.layers):
            layer = f"encoder.layer.{number}"
            mixed = self._linear(self._attend(rows, f"{layer}.attention.self"), f"{layer}.attention.output.dense")
            rows = self._norm(rows + mixed, f"{layer}.attention.output.LayerNorm")
            inner = self._linear(rows, f"{layer}.intermediate.dense")
            inner = inner * 0.5 * (1.0 + ERF(inner / math.sqrt(2.0)))
            rows = self._norm(rows + self._linear(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        return rows

    def _attend(self, rows: Array, name: str) -> Array:
        query, key, value = (
            self._linear(rows, f"{name}.{part}").reshape(len(rows), self.heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        return np.asarray((shares @ value).transpose(1, 0, 2).reshape(len(rows), -1))

    def _linear(self, rows: Array, name: str) -> Array:
        return np.asarray(rows @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"])

    def _norm(self, rows: Array, name: str) -> Array:
        centred = rows - rows.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.epsilon)
        return np.asarray(centred / spread * self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"])


def words(text: str) -> Iterator[str]:
    """Yield a text's words and punctuation marks, in lower case and without accents."""
    word = ""
    for char in unicodedata.normalize("NFD", text.lower()):
        if unicodedata.category(char) == "Mn" or (unicodedata.category(char).startswith("C") and not char.isspace()):
            continue
        if char.isspace() or stands_alone(char):
            if word:
                yield word
            word = ""
            if not char.isspace():
                yield char
        else:
            word += char
    if word:
        yield word


def stands_alone(char: str) -> bool:
    """Say whether a character is a word: every ASCII mark is, what Unicode calls punctuation, and each ideograph."""
    mark = char.isascii() and not char.isalnum() and char.isprintable()
    return mark or unicodedata.category(char).startswith("P") or "CJK UNIFIED" in unicodedata.name(char, "")


def load_reference(files: Files) -> Reference:
    """Return the model of a published set of files."""
    known = json.loads(files.configuration)
    held = read_safetensors(files.weights)
    tensors = {
        name: np.frombuffer(held.floats(name), dtype=np.float32).astype(np.float64).reshape(entry.sizes)
        for name, entry in held.entries.items()
        if entry.kind == "F32"
    }
    numbers = {token: number for number, token in enumerate(files.vocabulary.decode().split("\n"))}
    return Reference(
        tensors, numbers, known["num_hidden_layers"], known["num_attention_heads"], float(known["layer_norm_eps"])
    )
