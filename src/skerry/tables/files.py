"""What people and agents store: blobs by digest, files that name them, snapshots of workspaces."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Column, ForeignKeyConstraint, Index, Table, Text, Uuid, text

from skerry.tables.base import (
    SCHEMA,
    belongs_to_organization,
    document,
    id_column,
    metadata,
    moment,
    organization_column,
)

DIGEST_FORM = "~ '^[0-9a-f]{64}$'"

blobs = Table(
    "blobs",
    metadata,
    organization_column(),
    Column("sha256", Text, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("object_key", Text, nullable=False),
    moment("created_at"),
    belongs_to_organization(),
    CheckConstraint(f"sha256 {DIGEST_FORM}", name="sha256"),
    CheckConstraint("size_bytes >= 0", name="size_bytes"),
)
"""Bytes in the object store, once an organisation. `object_key` lies under the organisation's own prefix."""

files = Table(
    "files",
    metadata,
    organization_column(),
    id_column(),
    Column("file_path", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    document("custom_metadata"),
    Column("uploaded_by", Uuid),
    Column("access_count", BigInteger, nullable=False, server_default=text("0")),
    moment("last_accessed_at", nullable=True),
    moment("created_at"),
    moment("updated_at"),
    belongs_to_organization(),
    ForeignKeyConstraint(["organization_id", "sha256"], [f"{SCHEMA}.blobs.organization_id", f"{SCHEMA}.blobs.sha256"]),
    Index("files_organization_id_sha256_idx", "organization_id", "sha256"),
    Index("files_organization_id_file_path_idx", "organization_id", "file_path"),
)
"""`file_path` is relative, in its one form, and where the file lies in a workspace it is put into."""

snapshots = Table(
    "snapshots",
    metadata,
    organization_column(),
    Column("digest", Text, primary_key=True),
    document("entries", empty="[]"),
    moment("created_at"),
    belongs_to_organization(),
    CheckConstraint(f"digest {DIGEST_FORM}", name="digest"),
)
"""`entries`: [{path, mode, size, sha256}] sorted by path; `digest` is the SHA-256 of their canonical JSON."""
