"""What is to happen because of a commit, written in the same transaction; the dispatcher delivers it at least once."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, text

from skerry.tables.base import (
    belongs_to_organization,
    document,
    id_column,
    metadata,
    moment,
    organization_column,
)

outbox = Table(
    "outbox",
    metadata,
    organization_column(),
    id_column(),
    Column("kind", Text, nullable=False),
    document("payload"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    moment("due_at"),
    moment("delivered_at", nullable=True),
    Column("last_error", Text),
    moment("created_at"),
    belongs_to_organization(),
    # The dispatcher asks for what is due in every organisation at once: on the allow list of indexes.
    Index("outbox_due_at_idx", "due_at", postgresql_where=text("delivered_at is null")),
)
"""`payload` holds ids and digests, never prompts or secrets. `last_error` is a code, never text from outside."""
