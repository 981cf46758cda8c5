"""Shapes of files on the wire (kubiya-contract, schemas.tsv: FileMetadata)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from skerry.base import clock

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

PROVIDER = "s3"


class FileMetadata(BaseModel):
    """A file; `checksum` is the lower-case hexadecimal SHA-256 of its bytes."""

    id: str
    file_name: str
    file_path: str
    content_type: str
    file_size_bytes: int
    checksum: str | None
    tags: list[str]
    custom_metadata: dict[str, Any]
    uploaded_by: str
    created_at: str
    updated_at: str
    last_accessed_at: str | None
    access_count: int
    provider: str

    @classmethod
    def of(cls, row: RowMapping) -> FileMetadata:
        """Return the file of a row joined with its blob."""
        return cls(
            id=str(row["id"]),
            file_name=row["file_name"],
            file_path=row["file_path"],
            content_type=row["content_type"],
            file_size_bytes=row["size_bytes"],
            checksum=row["sha256"],
            tags=list(row["tags"]),
            custom_metadata=row["custom_metadata"],
            uploaded_by=str(row["uploaded_by"] or ""),
            created_at=clock.rfc3339(row["created_at"]),
            updated_at=clock.rfc3339(row["updated_at"]),
            last_accessed_at=clock.rfc3339(row["last_accessed_at"]) if row["last_accessed_at"] else None,
            access_count=row["access_count"],
            provider=PROVIDER,
        )
