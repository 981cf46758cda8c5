"""Passwords: argon2id with RFC 9106's second recommended option (64 MiB, 3 passes, 4 lanes).

Contract: `hash_password` and `verify_password` run off the event loop. The numbers are argon2-cffi's defaults.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from skerry.base.errors import InvalidInputError

LENGTH_LEAST: Final = 12
LENGTH_MOST: Final = 256
GENERATED_BYTES: Final = 18

_hasher = PasswordHasher()


def make_password() -> str:
    """Return a random password of 144 bits in 24 characters."""
    return secrets.token_urlsafe(GENERATED_BYTES)


async def hash_password(password: str) -> str:
    """Return the encoded argon2id hash; off the event loop, because it takes tens of milliseconds.

    Raises:
        InvalidInputError: `user.password`.
    """
    if not LENGTH_LEAST <= len(password) <= LENGTH_MOST:
        raise InvalidInputError(
            "user.password", f"a password has {LENGTH_LEAST} to {LENGTH_MOST} characters", "choose another"
        )
    return await asyncio.to_thread(_hasher.hash, password)


async def verify_password(password: str, encoded: str) -> bool:
    """Return whether `password` is the one that `encoded` was made from."""
    try:
        return await asyncio.to_thread(_hasher.verify, encoded, password)
    except (VerificationError, InvalidHashError):
        return False
