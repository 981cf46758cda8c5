"""Alembic's entry: migrates over the connection that skerry.database passes in, as role owner."""

from __future__ import annotations

from alembic import context

from skerry.tables.base import SCHEMA, metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
