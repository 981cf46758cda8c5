"""Runs of agents: the execution, its turns, its ledger of tool calls, its messages, its transitions and its events."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from skerry.tables.base import (
    SCHEMA,
    belongs_to_organization,
    document,
    id_column,
    metadata,
    moment,
    organization_column,
    refers_to,
)


def _execution_key() -> list[Column[Any] | ForeignKeyConstraint]:
    """Return the columns that lead the key of everything an execution owns, and the foreign key that holds them."""
    return [
        organization_column(),
        Column("execution_id", Uuid, primary_key=True),
        ForeignKeyConstraint(
            ["organization_id", "execution_id"],
            [f"{SCHEMA}.executions.organization_id", f"{SCHEMA}.executions.id"],
            ondelete="cascade",
        ),
    ]


executions = Table(
    "executions",
    metadata,
    organization_column(),
    id_column(),
    Column("created_on", Date, nullable=False),
    Column("execution_type", Text, nullable=False, server_default="agent"),
    Column("agent_id", Uuid, nullable=False),
    Column("agent_name", Text, nullable=False),
    Column("worker_queue_id", Uuid, nullable=False),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("prompt", Text, nullable=False),
    Column("system_prompt", Text),
    Column("model_id", Text, nullable=False),
    Column("tools", ARRAY(Text), nullable=False),
    document("limits"),
    Column("workspace", Text, nullable=False),
    Column("response", Text),
    Column("error_code", Text),
    document("usage"),
    document("execution_metadata"),
    document("user_metadata"),
    Column("created_by", Uuid),
    Column("user_email", Text),
    Column("user_name", Text),
    moment("created_at"),
    moment("started_at", nullable=True),
    moment("completed_at", nullable=True),
    moment("updated_at"),
    belongs_to_organization(),
    refers_to("agents", "agent_id"),
    refers_to("worker_queues", "worker_queue_id"),
    ForeignKeyConstraint(
        ["organization_id", "workspace"], [f"{SCHEMA}.snapshots.organization_id", f"{SCHEMA}.snapshots.digest"]
    ),
    UniqueConstraint("organization_id", "id", "created_on", name="executions_organization_id_id_created_on_key"),
    CheckConstraint(
        "status in ('pending', 'queued', 'running', 'waiting_for_input', 'paused', 'completed', 'failed', 'cancelled')",
        name="status",
    ),
    Index("executions_organization_id_created_at_idx", "organization_id", "created_at"),
    Index("executions_organization_id_agent_id_idx", "organization_id", "agent_id"),
    Index("executions_organization_id_worker_queue_id_idx", "organization_id", "worker_queue_id"),
    Index("executions_organization_id_workspace_idx", "organization_id", "workspace"),
    Index(
        "executions_open_idx",
        "organization_id",
        postgresql_where=text("status not in ('completed', 'failed', 'cancelled')"),
    ),
)
"""`workspace` is the digest of the snapshot it works on now; a tool call's effect moves it (compare-and-set)."""

execution_counters = Table(
    "execution_counters",
    metadata,
    *_execution_key(),
    Column("last_event", BigInteger, nullable=False, server_default=text("0")),
)
"""The lock under which events get their numbers: who holds it commits before the next one counts on."""

execution_turns = Table(
    "execution_turns",
    metadata,
    *_execution_key(),
    Column("step", Integer, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("message_id", Uuid, nullable=False),
    Column("status", Text, nullable=False, server_default="running"),
    Column("calls", Integer, nullable=False, server_default=text("0")),
    Column("model", Text, nullable=False, server_default=""),
    Column("model_digest", Text),
    Column("finish_reason", Text, nullable=False, server_default=""),
    Column("prompt_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("completion_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("price_micros", BigInteger, nullable=False, server_default=text("0")),
    Column("first_token_us", BigInteger, nullable=False, server_default=text("0")),
    Column("total_us", BigInteger, nullable=False, server_default=text("0")),
    moment("started_at"),
    moment("completed_at", nullable=True),
    CheckConstraint("status in ('running', 'completed')", name="status"),
)
"""One model call a row. Times in microseconds, price in millionths of the catalogue's currency."""

execution_tool_calls = Table(
    "execution_tool_calls",
    metadata,
    *_execution_key(),
    Column("step", Integer, primary_key=True),
    Column("turn_step", Integer, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("tool", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="requested"),
    Column("rule", Text),
    Column("policy_revision", Text),
    Column("code", Text),
    Column("result", Text),
    Column("parent_workspace", Text),
    Column("workspace", Text),
    moment("requested_at"),
    moment("started_at", nullable=True),
    moment("completed_at", nullable=True),
    CheckConstraint(
        "status in ('requested', 'started', 'completed', 'denied', 'failed', 'outcome_unknown')", name="status"
    ),
)
"""The ledger: a call counts when its row says so, once. `arguments` is text, because a model may write anything."""

execution_messages = Table(
    "execution_messages",
    metadata,
    *_execution_key(),
    Column("position", BigInteger, primary_key=True),
    Column("message_id", Uuid, nullable=False),
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("step", Integer),
    moment("created_at"),
    CheckConstraint("role in ('user', 'assistant', 'tool')", name="role"),
)
"""The conversation. `position` is the number of its event; a tool's words stand in the ledger under `step`."""

execution_transitions = Table(
    "execution_transitions",
    metadata,
    *_execution_key(),
    Column("position", BigInteger, primary_key=True),
    Column("from_status", Text),
    Column("to_status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    moment("created_at"),
)
"""Every change of an execution's status; `reason` is a code. `position` is the number of its event."""

execution_events = Table(
    "execution_events",
    metadata,
    organization_column(),
    Column("created_on", Date, primary_key=True),
    Column("execution_id", Uuid, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("step", Integer),
    Column("attempt", Integer),
    Column("n", Integer),
    moment("created_at"),
    ForeignKeyConstraint(
        ["organization_id", "execution_id", "created_on"],
        [f"{SCHEMA}.executions.organization_id", f"{SCHEMA}.executions.id", f"{SCHEMA}.executions.created_on"],
        ondelete="cascade",
    ),
    UniqueConstraint(
        "organization_id", "created_on", "execution_id", "step", "attempt", "n", name="execution_events_piece_key"
    ),
    postgresql_partition_by="RANGE (created_on)",
)
"""What a stream tells, in order. Partitioned by the execution's creation date, a month each, so that a repeat meets its
twin; `step`, `attempt`, `n` are set for pieces of an answer and make a repeated piece a duplicate."""
