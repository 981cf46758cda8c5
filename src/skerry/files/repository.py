"""SQL over files, blobs and snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from skerry.tables.files import blobs, files, snapshots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession, WriteSession

_WITH_BLOB = select(files, blobs.c.size_bytes, blobs.c.object_key).join(
    blobs, (blobs.c.organization_id == files.c.organization_id) & (blobs.c.sha256 == files.c.sha256)
)


async def add_blob(session: WriteSession, organization_id: UUID, *, sha256: str, size_bytes: int, key: str) -> bool:
    """Record where a blob lies; False when its bytes were there already, under another key."""
    statement = upsert(blobs).values(
        organization_id=organization_id, sha256=sha256, size_bytes=size_bytes, object_key=key
    )
    return await session.execute(statement.on_conflict_do_nothing()) == 1


async def find_blob(session: ReadSession, organization_id: UUID, sha256: str) -> RowMapping | None:
    """Return a blob."""
    return await session.first(
        select(blobs).where(blobs.c.organization_id == organization_id, blobs.c.sha256 == sha256)
    )


async def add_file(session: WriteSession, values: Mapping[str, Any]) -> None:
    """Add a file."""
    await session.execute(insert(files).values(**values))


async def find_file(session: ReadSession, organization_id: UUID, file_id: UUID) -> RowMapping | None:
    """Return a file with its blob."""
    return await session.first(_WITH_BLOB.where(files.c.organization_id == organization_id, files.c.id == file_id))


async def find_files(session: ReadSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """Return those of the files that are there, with their blobs."""
    return await session.all(_WITH_BLOB.where(files.c.organization_id == organization_id, files.c.id.in_(ids)))


async def add_snapshot(
    session: WriteSession, organization_id: UUID, *, digest: str, entries: list[dict[str, Any]]
) -> None:
    """Keep a snapshot; the same files give the same one."""
    statement = upsert(snapshots).values(organization_id=organization_id, digest=digest, entries=entries)
    await session.execute(statement.on_conflict_do_nothing())
