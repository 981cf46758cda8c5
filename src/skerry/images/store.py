"""The store of fetched parts: one file per blob, named by its SHA-256, read-only, complete or absent.

Contract: a blob enters under its name only after its bytes were hashed, by a rename, so that an interrupted fetch
leaves nothing half. `collect` hashes again while it hands out, so that a damaged disk is found before it is built
into an image.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skerry.base.canonical import sha256_file
from skerry.base.errors import IntegrityError, InvalidInputError, NotFoundError
from skerry.images.steps import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOB_MODE = 0o444
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Store:
    """Blobs under `<cache>/store/sha256/<digest>`. Every digest is 64 lower-case hexadecimal characters."""

    cache: Path

    @property
    def root(self) -> Path:
        return self.cache / "store" / "sha256"

    def path(self, digest: str) -> Path:
        """Return where a blob lies, or would lie.

        Raises:
            InvalidInputError: `images.digest` when `digest` is no SHA-256.
        """
        if DIGEST.fullmatch(digest) is None:
            raise InvalidInputError("images.digest", f"{digest!r} is no SHA-256 digest", "mend the lock that names it")
        return self.root / digest

    def has(self, digest: str) -> bool:
        """Say whether the blob is there."""
        return self.path(digest).is_file()

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Give a folder on the store's file system to fetch into; it is removed at the end, with what was not put."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        with scratch("incoming.", parent=self.root.parent) as folder:
            yield folder

    def put(self, file: Path, digest: str) -> Path:
        """Move `file` (on the store's file system) under its digest and return its place.

        Raises:
            IntegrityError: `images.blob_differs` when its bytes have another digest; nothing is stored.
        """
        found = sha256_file(file)
        if found != digest:
            raise IntegrityError(
                "images.blob_differs",
                f"{file.name}: the lock says sha256 {digest}, the bytes are {found}",
                "fetch again; if it differs again, somebody changed what was published",
            )
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.chmod(BLOB_MODE)
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
        return file.replace(target)

    def want(self, digest: str, name: str) -> Path:
        """Return the place of a blob that must be there, its bytes hashed again.

        Raises:
            NotFoundError: `images.not_fetched`.
            IntegrityError: `images.blob_damaged`; the damaged blob is removed, so that fetching mends it.
        """
        place = self.path(digest)
        if not place.is_file():
            raise NotFoundError(
                "images.not_fetched", f"{name} ({digest}) is not in the store", "run: skerry images fetch"
            )
        if sha256_file(place) != digest:
            place.unlink(missing_ok=True)
            raise IntegrityError(
                "images.blob_damaged", f"{name}: the stored bytes are not {digest}", "run: skerry images fetch"
            )
        return place

    def link(self, digest: str, name: str, into: Path) -> Path:
        """Put a stored blob into a build context as `into/name` (a hard link, or a copy across file systems)."""
        source = self.want(digest, name)
        into.mkdir(parents=True, exist_ok=True)
        target = into / name
        target.unlink(missing_ok=True)
        try:
            target.hardlink_to(source)
        except OSError:
            target.write_bytes(source.read_bytes())
            target.chmod(BLOB_MODE)
        return target
