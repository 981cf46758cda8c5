"""The product's texts as one digest: the weights' record holds that of the texts they were trained on.

A changed text is no error by itself (the model may well understand it), so it warns; the accuracy test decides.
"""

from __future__ import annotations

import hashlib

from skerry.agent import prompts
from skerry.base.canonical import canonical_json


class TextsChangedWarning(UserWarning):
    """What the product tells a model is no longer what the smoke model was trained on."""


def texts_digest() -> str:
    """Return the SHA-256 of the system prompt, the tools and one rendering of each kind."""
    long = ["a line"] * prompts.RESULT_LIMIT_CHARS
    texts = [
        prompts.render_system("An agent's own text."),
        list(prompts.TOOLS.values()),
        prompts.render_result("x" * (prompts.RESULT_LIMIT_CHARS + 1))[-80:],
        prompts.render_lines(["one", "two"], first=1, total=2),
        prompts.render_lines(long, first=1, total=len(long))[-80:],
        prompts.render_lines([], first=1, total=0),
        prompts.render_written("a.txt", 3),
        prompts.render_listing(["b", "a/"]),
        prompts.render_listing([]),
        prompts.render_command(0, "out"),
        prompts.render_command(1, ""),
        prompts.render_denial("a.rule", "a reason"),
        prompts.render_error("a.code", "a message"),
    ]
    return hashlib.sha256(canonical_json(texts)).hexdigest()
