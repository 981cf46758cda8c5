"""Role platform reads the heartbeat interval of worker queues: health names a pool that has gone silent."""

from __future__ import annotations

from alembic import op

from skerry.tables.base import platform_policy

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in platform_policy("worker_queues", commands=("select",)):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop policy platform_select on skerry.worker_queues")
    op.execute("revoke select on skerry.worker_queues from skerry_platform")
