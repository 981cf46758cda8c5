"""The sizes of the smoke model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """Sizes of the network. `vocabulary`, `width` and `hidden` are multiples of 32, as q8_0 asks."""

    vocabulary: int
    layers: int = 4
    width: int = 160
    heads: int = 5
    hidden: int = 384
    context: int = 4096
    rope_base: float = 1e9
    """So slow that half of a head's pairs hardly turn within the context: they match content at any distance."""
    epsilon: float = 1e-6

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads
