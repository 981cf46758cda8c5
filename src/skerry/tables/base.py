"""What every tenant table has: the organisation first in its key, a composite foreign key, one exact policy.

Contract: `organization_id` is the first column of every tenant key, foreign key and B-tree index. `tenant_policy`
gives the statements that a migration runs after CREATE TABLE; tests/integration/test_catalogue.py reads pg_catalog
and refuses any table that differs.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, DateTime, ForeignKeyConstraint, MetaData, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA: Final = "skerry"
"""Every table of the product lives here; `public` holds extensions only."""

APP_ROLE: Final = "skerry_app"
PLATFORM_ROLE: Final = "skerry_platform"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(referred_table_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    },
)

TENANT_EXPRESSION: Final = "organization_id = (select nullif(current_setting('app.organization_id', true), '')::uuid)"
"""An initplan, evaluated once a statement, so that indexes are used; the setting is '' after SET LOCAL has ended."""


def organization_column() -> Column[Any]:
    """Return the first column of every tenant table's primary key."""
    return Column("organization_id", Uuid, primary_key=True)


def id_column() -> Column[Any]:
    """Return the second column of the key: a UUIDv7 from kit.ids."""
    return Column("id", Uuid, primary_key=True)


def moment(name: str, *, nullable: bool = False, given: bool = False) -> Column[Any]:
    """Return a timestamptz column: the transaction's time by default, none if it may be NULL or is always `given`."""
    default = None if nullable or given else text("now()")
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def document(name: str, *, empty: str = "{}") -> Column[Any]:
    """Return a jsonb column that is never NULL; `empty` is its default as JSON text."""
    return Column(name, JSONB, nullable=False, server_default=text(f"'{empty}'::jsonb"))


def belongs_to_organization() -> ForeignKeyConstraint:
    """Return the foreign key from a tenant table to its organisation."""
    return ForeignKeyConstraint(["organization_id"], [f"{SCHEMA}.organizations.organization_id"])


def refers_to(table: str, column: str, *, on_delete: str | None = None) -> ForeignKeyConstraint:
    """Return the foreign key (organization_id, `column`) -> `table`: its check bypasses RLS, so both columns count."""
    return ForeignKeyConstraint(
        ["organization_id", column], [f"{SCHEMA}.{table}.organization_id", f"{SCHEMA}.{table}.id"], ondelete=on_delete
    )


def tenant_policy(table: str, *, app: str = "select, insert, update, delete") -> list[str]:
    """Return the statements that put a tenant table under RLS and give role app the privileges `app` on it.

    Source: DESIGN, section 4, Tenancy.
    """
    name = f"{SCHEMA}.{table}"
    return [
        f"alter table {name} enable row level security",
        f"alter table {name} force row level security",
        f"create policy tenant on {name} using ({TENANT_EXPRESSION}) with check ({TENANT_EXPRESSION})",
        f"grant {app} on {name} to {APP_ROLE}",
    ]


def platform_policy(table: str, *, commands: tuple[str, ...]) -> list[str]:
    """Return the statements that let role platform run `commands` (select, insert, ...) on every organisation's rows.

    Each table so named is on the list that the catalogue test holds (tests/integration/test_catalogue.py).
    """
    name = f"{SCHEMA}.{table}"
    clauses = {
        "select": "using (true)",
        "insert": "with check (true)",
        "update": "using (true) with check (true)",
        "delete": "using (true)",
    }
    statements = [
        f"create policy platform_{command} on {name} for {command} to {PLATFORM_ROLE} {clauses[command]}"
        for command in commands
    ]
    return [*statements, f"grant {', '.join(commands)} on {name} to {PLATFORM_ROLE}"]
