"""Where work runs: environments and their worker queues."""

from __future__ import annotations

from sqlalchemy import ARRAY, Boolean, CheckConstraint, Column, Index, Integer, Table, Text, Uuid, text

from skerry.tables.base import (
    belongs_to_organization,
    document,
    id_column,
    metadata,
    moment,
    organization_column,
    refers_to,
)

environments = Table(
    "environments",
    metadata,
    organization_column(),
    id_column(),
    Column("name", Text, nullable=False),
    Column("display_name", Text),
    Column("description", Text),
    Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    document("settings"),
    document("execution_environment"),
    Column("status", Text, nullable=False, server_default="active"),
    Column("created_by", Uuid),
    moment("created_at"),
    moment("updated_at"),
    belongs_to_organization(),
    CheckConstraint(
        "status in ('pending', 'provisioning', 'ready', 'active', 'inactive', 'error', 'archived')", name="status"
    ),
    Index("environments_organization_id_name_idx", "organization_id", "name", unique=True),
)

worker_queues = Table(
    "worker_queues",
    metadata,
    organization_column(),
    id_column(),
    Column("environment_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("display_name", Text),
    Column("description", Text),
    Column("status", Text, nullable=False, server_default="active"),
    Column("max_workers", Integer),
    Column("heartbeat_interval", Integer, nullable=False, server_default=text("60")),
    Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    document("settings"),
    Column("ephemeral", Boolean, nullable=False, server_default=text("false")),
    Column("created_by", Uuid),
    moment("created_at"),
    moment("updated_at"),
    belongs_to_organization(),
    refers_to("environments", "environment_id"),
    CheckConstraint("status in ('active', 'inactive', 'maintenance')", name="status"),
    CheckConstraint("heartbeat_interval between 10 and 300", name="heartbeat_interval"),
    Index(
        "worker_queues_organization_id_environment_id_name_idx",
        "organization_id",
        "environment_id",
        "name",
        unique=True,
    ),
)
"""`heartbeat_interval` in seconds. Its Temporal task queue is `{organization_id}.{id}`."""
