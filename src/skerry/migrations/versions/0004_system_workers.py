"""Signs of life of the system worker: health names it when there are none."""

from __future__ import annotations

from alembic import op

from skerry.tables.base import platform_policy

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table skerry.system_workers (
        id uuid not null,
        last_heartbeat_at timestamptz default now() not null,
        created_at timestamptz default now() not null,
        constraint system_workers_pkey primary key (id)
    )
    """,
    "alter table skerry.system_workers enable row level security",
    "alter table skerry.system_workers force row level security",
    *platform_policy("system_workers", commands=("select", "insert", "update", "delete")),
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table skerry.system_workers")
