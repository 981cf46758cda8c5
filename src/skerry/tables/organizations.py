"""Organisations and the people in them."""

from __future__ import annotations

from sqlalchemy import ARRAY, CheckConstraint, Column, Index, Table, Text, text

from skerry.tables.base import belongs_to_organization, id_column, metadata, moment, organization_column

organizations = Table(
    "organizations",
    metadata,
    organization_column(),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="active"),
    moment("namespace_ready_at", nullable=True),
    moment("created_at"),
    moment("updated_at"),
    CheckConstraint("status in ('active', 'suspended')", name="status"),
    CheckConstraint("slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'", name="slug"),
)
"""The slug is the organisation's name on the wire and never changes; its key has the name every tenant table uses."""

users = Table(
    "users",
    metadata,
    organization_column(),
    id_column(),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("password_hash", Text),
    Column("roles", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("status", Text, nullable=False, server_default="active"),
    moment("created_at"),
    moment("updated_at"),
    belongs_to_organization(),
    CheckConstraint("status in ('active', 'suspended')", name="status"),
    Index("users_organization_id_email_idx", "organization_id", text("lower(email)"), unique=True),
)
