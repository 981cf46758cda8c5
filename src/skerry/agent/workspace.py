"""An execution's workspace as a worker sees it: a list of files, their bytes fetched when a tool wants them.

Contract: paths are looked up in the snapshot, never on a disk, so there is no link to follow and nowhere outside to
go; a path that tries is refused here too, after policy has had its say. Bytes lie in a cache named by their digest
and are checked against it when they come in.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Protocol, Self

from skerry.base.errors import IntegrityError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from skerry.agent.protocol import Entry

PATH_LIMIT_CHARS: Final = 1024
CACHE_LIMIT_BYTES: Final = 256 << 20
DIGEST_CHARS: Final = 64


class BlobSource(Protocol):
    """Streams the bytes of one file of an execution's workspace."""

    def blob(self, execution_id: str, sha256: str) -> AsyncIterator[bytes]: ...


def check_path(path: str) -> str:
    """Return a path inside a workspace in its one form (`a/b.txt`).

    Raises:
        InvalidInputError: `file.outside_workspace` (absolute, or with `..`), `file.bad_path` (empty, too long, a
            control character).
    """
    if not path or len(path) > PATH_LIMIT_CHARS or any(ord(char) < ord(" ") for char in path):
        raise InvalidInputError("file.bad_path", "the path is empty, too long or has control characters")
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path:
        raise InvalidInputError("file.outside_workspace", "the path leads outside the workspace")
    return str(pure)


class Workspace:
    """The files of one execution, by path."""

    def __init__(self, execution_id: str, entries: Mapping[str, Entry], cache: BlobCache) -> None:
        self._execution_id = execution_id
        self._entries = entries
        self._cache = cache

    def find(self, path: str) -> Entry:
        """Return the entry at `path`.

        Raises:
            InvalidInputError: what `check_path` raises, `file.is_folder`.
            NotFoundError: `file.not_found`.
        """
        clean = check_path(path)
        if entry := self._entries.get(clean):
            return entry
        if clean == "." or any(name.startswith(f"{clean}/") for name in self._entries):
            raise InvalidInputError("file.is_folder", f"{clean} is a folder")
        raise NotFoundError("file.not_found", f"{clean} is not in the workspace")

    async def open(self, entry: Entry) -> Path:
        """Return a local file that holds the entry's bytes. It is shared and must not be written."""
        return await self._cache.get(self._execution_id, entry)


class BlobCache:
    """Blobs on the worker's own disk, named by digest, least recently used ones dropped over CACHE_LIMIT_BYTES."""

    def __init__(self, folder: Path, source: BlobSource, *, limit_bytes: int = CACHE_LIMIT_BYTES) -> None:
        self._folder = folder
        self._source = source
        self._limit = limit_bytes

    async def get(self, execution_id: str, entry: Entry) -> Path:
        """Return the file of a blob, fetched through the API when it is not here.

        Raises:
            IntegrityError: `workspace.digest` when what came is not what the snapshot names.
        """
        if len(entry.sha256) != DIGEST_CHARS or not entry.sha256.isalnum():
            raise IntegrityError("workspace.digest", "the snapshot names no digest")
        path = self._folder / entry.sha256
        if path.is_file():
            os.utime(path)
            return path
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._make_room(entry.size)
        await self._fetch(execution_id, entry, path)
        return path

    async def _fetch(self, execution_id: str, entry: Entry, path: Path) -> None:
        with Incoming(path, entry) as incoming:
            async for part in self._source.blob(execution_id, entry.sha256):
                incoming.write(part)
            incoming.accept()

    def _make_room(self, size: int) -> None:
        files = sorted((item.stat().st_atime, item.stat().st_size, item) for item in self._folder.iterdir())
        used = sum(item_size for _, item_size, _ in files)
        for _, item_size, item in files:
            if used + size <= self._limit:
                return
            item.unlink(missing_ok=True)
            used -= item_size


class Incoming:
    """A blob on its way in: hashed while it is written, named by its digest only when it is the right one."""

    def __init__(self, path: Path, entry: Entry) -> None:
        self._path = path
        self._entry = entry
        self._digest = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> Self:
        self._stream = tempfile.NamedTemporaryFile(dir=self._path.parent, prefix=".incoming-", delete=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        Path(self._stream.name).unlink(missing_ok=True)

    def write(self, part: bytes) -> None:
        """Take bytes in; more than the snapshot names are refused at once."""
        self._size += len(part)
        if self._size > self._entry.size:
            raise _wrong_bytes()
        self._digest.update(part)
        self._stream.write(part)

    def accept(self) -> None:
        """Give the blob its name.

        Raises:
            IntegrityError: `workspace.digest`.
        """
        self._stream.flush()
        if self._size != self._entry.size or self._digest.hexdigest() != self._entry.sha256:
            raise _wrong_bytes()
        Path(self._stream.name).rename(self._path)


def _wrong_bytes() -> IntegrityError:
    return IntegrityError("workspace.digest", "the bytes are not those the snapshot names")
