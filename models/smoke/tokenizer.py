"""A byte-level BPE in which a value costs the same tokens wherever it stands.

Copying is what the smoke model does; a value that splits one way in the file and another way in the answer could not
be copied token by token. Merges therefore join letters of one run, two digits of one group, and a space with a whole
word of the product's own language (never with a word that names files). Whole texts that never vary (the system
prompt, the tools, JSON glue) are one USER_DEFINED token each.

The splitting is llama.cpp's for `tokenizer.ggml.pre = smaug-bpe` (Llama 3's pattern, merges obeyed): digits come in
groups of three, counted from the left. Source: llama.cpp, llama-vocab.cpp.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PRE: Final = "smaug-bpe"
"""The pre-tokenizer's name in GGUF."""

START: Final = "<|im_start|>"
END: Final = "<|im_end|>"
PAD: Final = "<|pad|>"

_SPLIT: Final = re.compile(
    r"'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])"
    r"|(?:[^\r\n\w]|_)?[^\W\d_]+"
    r"|\d{1,3}"
    r"| ?(?:[^\s\w]|_)+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)
SEEN_AT_LEAST: Final = 4
"""A word must be met this often to count for the merges: random letters shall not shape them."""
_LETTERS: Final = re.compile(r"[A-Za-z]+")


def byte_characters() -> list[str]:
    """Return GPT-2's 256 printable stand-ins for the bytes, by byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) if byte in plain else chr(256 + others.index(byte)) for byte in range(256)]


_STAND_INS: Final = byte_characters()
_BYTES: Final = {character: byte for byte, character in enumerate(_STAND_INS)}


def to_stand_ins(text: str) -> str:
    """Return the text's UTF-8 bytes as stand-ins."""
    return "".join(_STAND_INS[byte] for byte in text.encode())


@dataclass(frozen=True)
class Tokenizer:
    """Vocabulary: 256 bytes, then one token a merge, then the specials, then padding up to `size`."""

    merges: tuple[tuple[str, str], ...]
    controls: tuple[str, ...]
    literals: tuple[str, ...]
    size: int
    _cache: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def tokens(self) -> list[str]:
        """Texts by token number, bytes as stand-ins (controls and literals plain)."""
        texts = [*_STAND_INS, *(left + right for left, right in self.merges), *self.controls, *self.literals]
        return [*texts, *(f"<|unused{number}|>" for number in range(self.size - len(texts)))]

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Token numbers by text."""
        return {text: number for number, text in enumerate(self.tokens)}

    @cached_property
    def first_special(self) -> int:
        """Number of the first token that is neither byte nor merge."""
        return 256 + len(self.merges)

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {pair: rank for rank, pair in enumerate(self.merges)}

    @cached_property
    def _special(self) -> list[str]:
        return sorted([*self.controls, *self.literals], key=len, reverse=True)

    def _parted(self, text: str) -> list[str]:
        """Return the text cut at its markers and literals: the longest first out of all of it, as llama.cpp does."""
        parts = [text]
        whole = set()
        for special in self._special:
            if special not in text:
                continue
            whole.add(special)
            cut: list[str] = []
            for part in parts:
                if part in whole or special not in part:
                    cut.append(part)
                    continue
                for at, piece in enumerate(part.split(special)):
                    cut += [special, piece] if at else [piece]
            parts = cut
        return [part for part in parts if part]

    def _piece(self, piece: str) -> tuple[int, ...]:
        known = self._cache.get(piece)
        if known is not None:
            return known
        parts = list(to_stand_ins(piece))
        while len(parts) > 1:
            ranked = [(self._ranks.get(pair, len(self._ranks)), at) for at, pair in enumerate(pairwise(parts))]
            rank, at = min(ranked)
            if rank == len(self._ranks):
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        result = tuple(self.numbers[part] for part in parts)
        self._cache[piece] = result
        return result

    def encode(self, text: str) -> list[int]:
        """Return the token numbers of a text, markers and literals recognised."""
        numbers: list[int] = []
        specials = self.numbers
        for part in self._parted(text):
            number = specials.get(part, 0)
            if number >= self.first_special:
                numbers.append(number)
            else:
                for piece in _SPLIT.findall(part):
                    numbers.extend(self._piece(piece))
        return numbers

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of token numbers, markers included; invalid UTF-8 is replaced."""
        raw = bytearray()
        for number in numbers:
            text = self.tokens[number]
            raw.extend(
                text.encode() if number >= self.first_special else bytes(_BYTES[character] for character in text)
            )
        return raw.decode(errors="replace")


def _letter_merges(words: Counter[str], count: int) -> list[tuple[str, str]]:
    """Return the `count` most useful merges inside the words (plain BPE; ties go to the smaller pair)."""
    parts = {word: list(word) for word in words}
    merges: list[tuple[str, str]] = []
    made: set[str] = set()
    while len(merges) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, split in parts.items():
            for pair in pairwise(split):
                if pair[0] + pair[1] not in made:  # one token, one way to make it
                    pairs[pair] += words[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        made.add(best[0] + best[1])
        for split in parts.values():
            at = 0
            while at < len(split) - 1:
                if (split[at], split[at + 1]) == best:
                    split[at : at + 2] = [best[0] + best[1]]
                at += 1
    return merges


def train(
    texts: Iterable[str], literals: tuple[str, ...], spaced_words: Iterable[str], *, letter_merges: int, size: int
) -> Tokenizer:
    """Learn the merges from `texts`; `spaced_words` that are one token get another with the space in front."""
    words: Counter[str] = Counter()
    for text in texts:
        words.update(_LETTERS.findall(text))
    frequent = Counter({word: count for word, count in words.items() if count >= SEEN_AT_LEAST})
    merges = _letter_merges(frequent, letter_merges)
    merges += [(str(first), str(second)) for first in range(10) for second in range(10)]
    whole = {left + right for left, right in merges}
    space = _STAND_INS[0x20]
    room = size - 256 - len(merges) - len(literals) - 3
    spaced = [word for word in dict.fromkeys(spaced_words) if word in whole][:room]
    merges += [(space, word) for word in spaced]
    return Tokenizer(tuple(merges), (START, END, PAD), literals, size)
