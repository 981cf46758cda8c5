"""Tokens that were handed out, and the keys that sign them."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from skerry.tables.base import (
    belongs_to_organization,
    id_column,
    metadata,
    moment,
    organization_column,
    refers_to,
)

tokens = Table(
    "tokens",
    metadata,
    organization_column(),
    id_column(),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("user_id", Uuid),
    Column("worker_queue_id", Uuid),
    moment("expires_at", given=True),
    moment("revoked_at", nullable=True),
    moment("created_at"),
    belongs_to_organization(),
    refers_to("users", "user_id", on_delete="cascade"),
    refers_to("worker_queues", "worker_queue_id", on_delete="cascade"),
    CheckConstraint(
        "(kind = 'api_key' and user_id is not null and worker_queue_id is null)"
        " or (kind = 'worker' and worker_queue_id is not null and user_id is null)",
        name="holder",
    ),
    Index("tokens_organization_id_user_id_idx", "organization_id", "user_id"),
    Index("tokens_organization_id_worker_queue_id_idx", "organization_id", "worker_queue_id"),
)
"""A row for each long-lived token; `id` is its jti. The token itself is stored nowhere."""

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("public_jwk", JSONB, nullable=False),
    Column("private_sealed", LargeBinary, nullable=False),
    moment("signs_from", given=True),
    moment("verifies_until", nullable=True),
    moment("created_at"),
)
"""No tenant's: role platform alone reads it. The youngest key whose `signs_from` has come signs; a key verifies until
its `verifies_until`, so that rotation overlaps. `private_sealed` is AES-256-GCM under the host key (auth/keys.py)."""
