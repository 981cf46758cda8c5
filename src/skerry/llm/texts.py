"""What a WordPiece tokenizer does to a text before it looks for words, where the model server leaves some of it out.

Contract: pure. BERT's authors drop control characters and accents, and let every ASCII mark stand alone. Ollama's
tokenizer splits at what Unicode calls punctuation only, so `status=500` and `café` would reach an embedding model as
words it has never seen; and it splits marks of more than one byte (quotation marks, dashes) in the midst of the
character, so that nothing is read of them. After `plain_text` both read the same tokens, but for such marks, which
become their cousin in ASCII, or a space where they have none.
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
PUNCTUATION: Final = "P"
COUSINS: Final = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2039\u203a", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\u300c\u300d\u300e\u300f", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015", "-"),
    "\u3001": ",",
    "\u3002": ".",
}
SYMBOLS: Final = {
    char: f" {char} " for char in string.punctuation if not unicodedata.category(char).startswith(PUNCTUATION)
}


def plain_text(text: str) -> str:
    """Return a text in which every mark that stands alone has its space, without accents and control characters."""
    found = []
    for char in unicodedata.normalize("NFD", text):
        if char.isspace():
            found.append(" ")
        elif (category := unicodedata.category(char)) != MARK and not category.startswith(OTHER):
            found.append(SYMBOLS.get(char) or (char if char.isascii() or category[0] != PUNCTUATION else _cousin(char)))
    return "".join(found)


def _cousin(char: str) -> str:
    """Return what stands for a mark of more than one byte (fullwidth forms and the ellipsis by their compatibility)."""
    found = COUSINS.get(char) or unicodedata.normalize("NFKD", char)
    return found if found.isascii() else " "


def plain_input(value: Any) -> Any:
    """Return the `input` of an embedding call with its texts made plain; anything else stays for LiteLLM to judge."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, list):
        return [plain_text(item) if isinstance(item, str) else item for item in value]
    return value
