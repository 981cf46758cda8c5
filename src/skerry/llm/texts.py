"""What a WordPiece tokenizer does to a text before it looks for words, where the model server leaves some of it out.

Contract: pure. BERT's authors drop control characters and accents, and let every ASCII mark stand alone. Ollama's
tokenizer splits at what Unicode calls punctuation only, so `status=500` and `café` would reach an embedding model as
words it has never seen. After `plain_text` both read the same tokens; on any other text it changes nothing they read.
Source: Devlin et al. 2019, tokenization.py (BasicTokenizer); Ollama, tokenizer/wordpiece.go.
"""

from __future__ import annotations

import string
import unicodedata
from typing import Any, Final

FAMILIES: Final = frozenset({"minilm"})
"""Families of the catalogue whose models read WordPiece of lower-case letters without accents."""
MARK: Final = "Mn"
OTHER: Final = "C"
SYMBOLS: Final = {char: f" {char} " for char in string.punctuation if not unicodedata.category(char).startswith("P")}


def plain_text(text: str) -> str:
    """Return a text in which every mark that stands alone has its space, without accents and control characters."""
    found = []
    for char in unicodedata.normalize("NFD", text):
        if char.isspace():
            found.append(" ")
        elif (category := unicodedata.category(char)) != MARK and not category.startswith(OTHER):
            found.append(SYMBOLS.get(char, char))
    return "".join(found)


def plain_input(value: Any) -> Any:
    """Return the `input` of an embedding call with its texts made plain; anything else stays for LiteLLM to judge."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, list):
        return [plain_text(item) if isinstance(item, str) else item for item in value]
    return value
