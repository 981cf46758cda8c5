"""Identifiers: UUIDv7, so that keys of one tenant grow in time order and B-trees stay dense.

Source: RFC 9562, section 5.7, with the optional sub-millisecond fraction in `rand_a` (section 6.2, method 3).
"""

from __future__ import annotations

import os
from uuid import UUID

from skerry.base import clock
from skerry.base.errors import NotFoundError

MICROSECONDS_A_MILLISECOND = 1000
FRACTION_STEPS = 1 << 12


def new_id() -> UUID:
    """Return a fresh UUIDv7: 48 bits of Unix milliseconds, 12 bits of their fraction, 62 random bits."""
    microseconds = int(clock.now().timestamp() * 1_000_000)
    milliseconds, rest = divmod(microseconds, MICROSECONDS_A_MILLISECOND)
    fraction = rest * FRACTION_STEPS // MICROSECONDS_A_MILLISECOND
    random_bits = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= fraction << 64
    value |= 0b10 << 62
    return UUID(int=value | random_bits)


def parse_id(text: str, *, what: str) -> UUID:
    """Return the UUID that `text` writes in its canonical form of 36 characters.

    Raises:
        NotFoundError: `<what>.not_found`: a malformed id names nothing, and says no more than a foreign one does.
    """
    try:
        parsed = UUID(text)
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != text.lower():
        raise missing(what)
    return parsed


def missing(what: str) -> NotFoundError:
    """Return the one answer for a thing that is not there or belongs to somebody else (`<what>.not_found`)."""
    return NotFoundError(f"{what}.not_found", f"there is no such {what.replace('_', ' ')}", "check the id")
