"""The processes that serve worker queues, and those that run the workflows."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Table, Text, Uuid, text

from skerry.tables.base import (
    belongs_to_organization,
    document,
    id_column,
    metadata,
    moment,
    organization_column,
    refers_to,
)

workers = Table(
    "workers",
    metadata,
    organization_column(),
    id_column(),
    Column("worker_queue_id", Uuid, nullable=False),
    Column("token_id", Uuid, nullable=False),
    Column("hostname", Text, nullable=False, server_default=""),
    Column("version", Text, nullable=False, server_default=""),
    Column("status", Text, nullable=False, server_default="active"),
    Column("tasks_processed", BigInteger, nullable=False, server_default=text("0")),
    document("system_info"),
    moment("last_heartbeat_at"),
    moment("disconnected_at", nullable=True),
    Column("disconnect_reason", Text),
    moment("created_at"),
    belongs_to_organization(),
    refers_to("worker_queues", "worker_queue_id", on_delete="cascade"),
    refers_to("tokens", "token_id", on_delete="cascade"),
    CheckConstraint("status in ('active', 'idle', 'busy', 'offline', 'disconnected')", name="status"),
    Index("workers_organization_id_worker_queue_id_idx", "organization_id", "worker_queue_id"),
    Index("workers_organization_id_token_id_idx", "organization_id", "token_id"),
)
"""A row for each start of a worker process; whether it still lives is read from `last_heartbeat_at`."""

system_workers = Table(
    "system_workers",
    metadata,
    Column("id", Uuid, primary_key=True),
    moment("last_heartbeat_at"),
    moment("created_at"),
)
"""No tenant's: role platform alone uses it. A row for each process of the system worker; one that ends takes its row
along, one that was killed leaves it to grow old."""
