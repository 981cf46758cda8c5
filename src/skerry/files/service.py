"""Files: uploads that stream into the object store, and snapshots that put files into a workspace.

Contract: a path is relative and in its one form. Bytes are kept once an organisation and digest; a row appears only
when all of its bytes are in the object store.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from skerry.base.canonical import digest_of
from skerry.base.errors import InvalidInputError, UnavailableError
from skerry.files import repository
from skerry.files.store import object_key
from skerry.kit.ids import missing, new_id, parse_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.auth.principal import Principal
    from skerry.files.store import ObjectStore
    from skerry.kit.db import Database, ReadSession, WriteSession
    from skerry.kit.multipart import UploadForm

UPLOAD_LIMIT_BYTES: Final = 2 << 30
PATH_LIMIT_CHARS: Final = 1024
TYPE_LIMIT_CHARS: Final = 200
TAGS_LIMIT: Final = 50
WORKSPACE_LIMIT_FILES: Final = 1000
FILE_MODE: Final = 0o644


def check_path(path: str) -> str:
    """Return a path in its one form (`logs/app.log`).

    Raises:
        InvalidInputError: `file.bad_path`.
    """
    pure = PurePosixPath(path)
    bad = (
        not path.strip("/. ")
        or len(path) > PATH_LIMIT_CHARS
        or any(not char.isprintable() for char in path)
        or "\\" in path
        or pure.is_absolute()
        or ".." in pure.parts
    )
    if bad:
        raise InvalidInputError(
            "file.bad_path",
            "the path is empty, absolute, too long, or leads outside",
            "use a relative path like logs/app.log",
        )
    return str(pure)


@dataclass
class Intake:
    """Counts and hashes bytes on their way to the object store."""

    content: AsyncIterator[bytes]
    size: int = 0

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the bytes."""
        async for piece in self.content:
            self.size += len(piece)
            if self.size > UPLOAD_LIMIT_BYTES:
                raise InvalidInputError("file.too_large", f"a file has at most {UPLOAD_LIMIT_BYTES} bytes", "split it")
            self._digest.update(piece)
            yield piece

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


async def upload(
    database: Database, store: ObjectStore, principal: Principal, form: UploadForm, options: Mapping[str, str]
) -> RowMapping:
    """Stream a form's file into the object store, then record it; return its row.

    Args:
        database: the organisation's door; no transaction is open while bytes flow.
        store: where the bytes go.
        principal: whose file it is.
        form: the request; its fields `file_path` and `tags` count like `options`.
        options: the same from the query string.

    Raises:
        InvalidInputError: `file.bad_path`, `file.too_large`, `upload.*`.
        UnavailableError: `storage.unavailable`, `database.unavailable`.
    """
    if given := options.get("file_path"):
        check_path(given)
    file_id = new_id()
    key = object_key(principal.organization_id, file_id)
    intake = Intake(form.content())
    try:
        await store.put(key, intake.stream())
        values = describe(form, {**options, **form.fields})
        async with database.tenant_transaction(principal.organization_id) as session:
            kept = await repository.add_blob(
                session, principal.organization_id, sha256=intake.sha256, size_bytes=intake.size, key=key
            )
            key_row = {"organization_id": principal.organization_id, "id": file_id, "sha256": intake.sha256}
            await repository.add_file(session, {**values, **key_row, "uploaded_by": principal.user_id})
            row = await get_file(session, principal.organization_id, file_id)
    except BaseException:
        with suppress(UnavailableError):
            await store.delete(key)
        raise
    if not kept:
        await store.delete(key)
    return row


def describe(form: UploadForm, options: Mapping[str, str]) -> dict[str, Any]:
    """Return what a form says of its file.

    Raises:
        InvalidInputError: `file.bad_path`, `file.bad_tags`.
    """
    path = check_path(options.get("file_path") or form.file_name or "")
    tags = [tag.strip() for tag in options.get("tags", "").split(",") if tag.strip()]
    if len(tags) > TAGS_LIMIT or "\x00" in options.get("tags", ""):
        raise InvalidInputError("file.bad_tags", f"a file has at most {TAGS_LIMIT} tags", "use fewer")
    return {
        "file_path": path,
        "file_name": PurePosixPath(path).name,
        "content_type": form.file_type[:TYPE_LIMIT_CHARS],
        "tags": tags,
    }


async def get_file(session: ReadSession, organization_id: UUID, file_id: UUID) -> RowMapping:
    """Return a file with its blob.

    Raises:
        NotFoundError: `file.not_found`.
    """
    row = await repository.find_file(session, organization_id, file_id)
    if row is None:
        raise missing("file")
    return row


async def find_blob(session: ReadSession, organization_id: UUID, sha256: str) -> RowMapping:
    """Return a blob.

    Raises:
        NotFoundError: `file.not_found`.
    """
    row = await repository.find_blob(session, organization_id, sha256)
    if row is None:
        raise missing("file")
    return row


async def make_snapshot(session: WriteSession, organization_id: UUID, file_ids: Sequence[str]) -> str:
    """Put files into a workspace, each at its path; return the snapshot's digest.

    Raises:
        InvalidInputError: `workspace.too_many_files`, `workspace.path_twice`.
        NotFoundError: `file.not_found`.
    """
    wanted = {parse_id(text, what="file") for text in file_ids}
    if len(wanted) > WORKSPACE_LIMIT_FILES:
        raise InvalidInputError(
            "workspace.too_many_files", f"a workspace begins with at most {WORKSPACE_LIMIT_FILES} files", "attach fewer"
        )
    rows = await repository.find_files(session, organization_id, sorted(wanted)) if wanted else []
    if len(rows) != len(wanted):
        raise missing("file")
    entries = [
        {"path": row["file_path"], "mode": FILE_MODE, "size": row["size_bytes"], "sha256": row["sha256"]}
        for row in sorted(rows, key=lambda row: row["file_path"])
    ]
    check_tree([entry["path"] for entry in entries])
    digest = digest_of(entries)
    await repository.add_snapshot(session, organization_id, digest=digest, entries=entries)
    return digest


def check_tree(paths: Sequence[str]) -> None:
    """Raise unless the paths can lie side by side: none twice, none a folder of another.

    Raises:
        InvalidInputError: `workspace.path_twice`.
    """
    names = set(paths)
    folders = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    if len(names) != len(paths) or names & folders:
        raise InvalidInputError(
            "workspace.path_twice", "two of the files want the same path", "upload one of them under another path"
        )
