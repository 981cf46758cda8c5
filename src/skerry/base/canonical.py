"""Canonical JSON and digests: the same value gives the same bytes, everywhere.

Source: RFC 8785 (JCS) for the shape; numbers are limited to integers, so that its number formatting is never needed.
"""

from __future__ import annotations

import hashlib
import json
from typing import IO, TYPE_CHECKING, Any

from skerry.base.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

CHUNK_BYTES = 1 << 20


def canonical_json(value: Any) -> bytes:
    """Return UTF-8 bytes with sorted keys and no spaces.

    Raises:
        InvalidInputError: `canonical.float` if a float is inside (their text form is not portable).
    """
    refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def refuse_floats(value: Any) -> None:
    """Raise InvalidInputError (`canonical.float`) when a float is anywhere inside `value`."""
    if isinstance(value, float):
        raise InvalidInputError("canonical.float", f"a float ({value!r}) has no canonical form", "use an integer unit")
    if isinstance(value, dict):
        for item in value.values():
            refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            refuse_floats(item)


def sha256_hex(data: bytes) -> str:
    """Return the lower-case hexadecimal SHA-256 of `data` (64 characters)."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the lower-case hexadecimal SHA-256 of a file's bytes, read in chunks."""
    with path.open("rb") as stream:
        return sha256_stream(stream)


def sha256_stream(stream: IO[bytes]) -> str:
    """Return the lower-case hexadecimal SHA-256 of what is left in `stream`."""
    digest = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def digest_of(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`: the key under which a result of these inputs is kept."""
    return sha256_hex(canonical_json(value))
