"""Agents: what a person made and runs."""

from __future__ import annotations

from sqlalchemy import ARRAY, CheckConstraint, Column, Index, Table, Text, Uuid, text

from skerry.tables.base import (
    belongs_to_organization,
    document,
    id_column,
    metadata,
    moment,
    organization_column,
)

agents = Table(
    "agents",
    metadata,
    organization_column(),
    id_column(),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("system_prompt", Text),
    Column("model_id", Text),
    Column("runtime", Text),
    Column("runner_name", Text),
    Column("team_id", Uuid),
    Column("status", Text, nullable=False, server_default="idle"),
    document("capabilities", empty="[]"),
    document("configuration"),
    document("llm_config"),
    document("execution_environment"),
    document("skill_configurations"),
    Column("skill_ids", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("environment_ids", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    document("state"),
    Column("error_message", Text),
    Column("created_by", Uuid),
    moment("last_active_at", nullable=True),
    moment("created_at"),
    moment("updated_at"),
    belongs_to_organization(),
    CheckConstraint("status in ('idle', 'running', 'paused', 'completed', 'failed', 'stopped')", name="status"),
    Index("agents_organization_id_created_at_idx", "organization_id", "created_at"),
)
