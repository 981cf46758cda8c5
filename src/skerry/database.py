"""The two jobs that make the product's database: `python -m skerry.database roles` and `... migrate`.

`roles` connects as superuser and may be run again at any time: roles, their passwords (sent as SCRAM verifiers,
never as text), databases, extensions, and who may connect where. `migrate` connects as skerry_migrate, takes the
role owner for the tables, and sees to it that a signing key exists.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.exc import OperationalError

from skerry.auth import keys
from skerry.base.errors import SkerryError, UnavailableError
from skerry.kit import logs
from skerry.kit.db import CONNECT_DEADLINE_S, make_url
from skerry.kit.settings import load_settings
from skerry.tables.base import APP_ROLE, PLATFORM_ROLE
from skerry.tables.tokens import signing_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from skerry.kit.settings import Settings

log = logging.getLogger(__name__)

SUPERUSER: Final = "postgres"
OWNER_ROLE: Final = "skerry_owner"
MIGRATE_ROLE: Final = "skerry_migrate"
BACKUP_ROLE: Final = "skerry_backup"
SEARCH_ROLE: Final = "skerry_search"
TEMPORAL_ROLE: Final = "temporal"
MIGRATIONS: Final = Path(__file__).parent / "migrations"
MIGRATION_LOCK: Final = 0x736B657272790001
LOCK_DEADLINE: Final = "10s"

PLAIN: Final[LiteralString] = "nosuperuser nocreatedb nocreaterole noreplication"
ROLES: Final[dict[str, LiteralString]] = {
    # Owns the schema and logs in never; SECURITY DEFINER search functions belong to search.
    OWNER_ROLE: f"nologin nobypassrls {PLAIN}",
    SEARCH_ROLE: f"nologin bypassrls {PLAIN}",
    # Jobs only: under FORCE an owner's update touches no row, silently, and pg_dump fails.
    MIGRATE_ROLE: f"login bypassrls {PLAIN}",
    BACKUP_ROLE: f"login bypassrls {PLAIN}",
    # What serves.
    APP_ROLE: f"login nobypassrls noinherit {PLAIN}",
    PLATFORM_ROLE: f"login nobypassrls noinherit {PLAIN}",
    TEMPORAL_ROLE: f"login nobypassrls {PLAIN}",
}
PASSWORDS: Final = {
    MIGRATE_ROLE: "postgres-migrate",
    BACKUP_ROLE: "postgres-backup",
    APP_ROLE: "postgres-app",
    PLATFORM_ROLE: "postgres-platform",
    TEMPORAL_ROLE: "postgres-temporal",
}
"""Role -> the secret that holds its password."""


def make_roles(settings: Settings) -> None:
    """Make or mend roles, databases, extensions and grants. Idempotent.

    Raises:
        UnavailableError: `database.unavailable`.
        PreconditionError: `settings.no_secret`.
    """
    passwords = {role: settings.secrets.text(secret) for role, secret in PASSWORDS.items()}
    databases = {
        settings.database_name: (OWNER_ROLE, (MIGRATE_ROLE, BACKUP_ROLE, APP_ROLE, PLATFORM_ROLE)),
        "temporal": (TEMPORAL_ROLE, (BACKUP_ROLE,)),
        "temporal_visibility": (TEMPORAL_ROLE, (BACKUP_ROLE,)),
    }
    with superuser(settings, "postgres") as connection:
        for role, attributes in ROLES.items():
            make_role(connection, role, attributes, passwords.get(role))
        # Inherited, the owner's privileges and its own BYPASSRLS let a migration change data; tables are made as owner.
        connection.execute("grant skerry_owner to skerry_migrate with inherit true, set true")
        connection.execute("grant pg_read_all_data to skerry_backup with inherit true, set false")
        for name, (owner, users) in databases.items():
            make_database(connection, name, owner, users)
        connection.execute("revoke all on database postgres, template1 from public")
    with superuser(settings, settings.database_name) as connection:
        for statement in PRODUCT_STATEMENTS:
            connection.execute(statement)
        for role in (APP_ROLE, PLATFORM_ROLE):
            fill(
                connection,
                "alter role {} in database {} set search_path = skerry, public",
                role,
                settings.database_name,
            )
    with superuser(settings, "temporal_visibility") as connection:
        connection.execute("create extension if not exists btree_gin")


PRODUCT_STATEMENTS: Final[tuple[LiteralString, ...]] = (
    "revoke all on schema public from public",
    "create extension if not exists vector",
    "create schema if not exists skerry authorization skerry_owner",
    "grant usage on schema skerry, public to skerry_app, skerry_platform, skerry_search",
    "grant usage on schema public to skerry_owner",
    "alter default privileges for role skerry_owner revoke execute on functions from public",
)


def superuser(settings: Settings, database: str) -> psycopg.Connection:
    """Return an autocommit connection as superuser.

    Raises:
        UnavailableError: `database.unavailable`.
    """
    try:
        return psycopg.connect(
            host=settings.database.host,
            port=settings.database.port,
            user=SUPERUSER,
            password=settings.secrets.text("postgres-superuser"),
            dbname=database,
            connect_timeout=CONNECT_DEADLINE_S,
            application_name="skerry database roles",
            autocommit=True,
        )
    except psycopg.OperationalError as error:
        raise UnavailableError(
            "database.unavailable",
            f"no connection to PostgreSQL at {settings.database} as {SUPERUSER}: {str(error).splitlines()[-1]}",
            "see that the service postgres is healthy and the secret postgres-superuser is its own",
        ) from error


def fill(connection: psycopg.Connection, template: LiteralString, *names: str) -> None:
    """Run a statement whose `{}` are identifiers."""
    connection.execute(sql.SQL(template).format(*(sql.Identifier(name) for name in names)))


def make_role(connection: psycopg.Connection, role: str, attributes: LiteralString, password: str | None) -> None:
    """Make `role` if it is missing, then set its attributes and password."""
    if connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone() is None:
        fill(connection, "create role {}", role)
    connection.execute(sql.SQL("alter role {} " + attributes).format(sql.Identifier(role)))
    if password is not None:
        # The server sees and logs a verifier, never the password.
        verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
        connection.execute(
            sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier.decode()))
        )


def make_database(connection: psycopg.Connection, name: str, owner: str, users: Sequence[str]) -> None:
    """Make the database `name` if it is missing (builtin provider, C.UTF-8); `owner` and `users` alone may connect."""
    if connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone() is None:
        fill(
            connection,
            "create database {} owner {} template template0 encoding 'UTF8' locale 'C'"
            " locale_provider builtin builtin_locale 'C.UTF-8'",
            name,
            owner,
        )
    fill(connection, "revoke all on database {} from public", name)
    for user in users:
        fill(connection, "grant connect on database {} to {}", name, user)


def migrate(settings: Settings) -> None:
    """Bring the tables to this release (one migration, one transaction) and make the first signing key.

    Raises:
        UnavailableError: `database.unavailable`.
        PreconditionError: `settings.no_secret`, `auth.host_key`.
    """
    host_key = keys.parse_host_key(settings.secrets.bytes("host-key"))
    engine = create_engine(
        make_url(settings, MIGRATE_ROLE, secret="postgres-migrate"),  # noqa: S106  a name
        connect_args={"connect_timeout": CONNECT_DEADLINE_S, "application_name": "skerry database migrate"},
    )
    try:
        with engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
            connection.commit()
            upgrade(connection)
            ensure_signing_key(connection, host_key)
    except OperationalError as error:
        raise UnavailableError(
            "database.unavailable",
            f"cannot migrate PostgreSQL at {settings.database}: {str(error.orig).splitlines()[-1]}",
            "see that the service postgres is healthy and that the job database-roles has run",
        ) from error
    finally:
        engine.dispose()


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run Alembic up to `revision` as role owner, so that tables, types and functions belong to it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    connection.execute(text("set role skerry_owner"))
    connection.execute(text(f"set lock_timeout = '{LOCK_DEADLINE}'"))
    connection.commit()
    command.upgrade(config, revision)
    connection.execute(text("reset role"))
    connection.commit()


def ensure_signing_key(connection: Connection, host_key: bytes) -> None:
    """Make a first ES256 key when there is none."""
    if connection.execute(select(signing_keys.c.kid).limit(1)).first() is None:
        key = keys.make_signing_key(host_key)
        connection.execute(insert(signing_keys).values(**key))
        log.info("made the first signing key", extra={"kid": key["kid"]})
    connection.commit()


JOBS: Final = {"roles": make_roles, "migrate": migrate}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of JOBS; a failure is two lines: what happened, what to do."""
    parser = argparse.ArgumentParser(prog="python -m skerry.database", description=__doc__)
    parser.add_argument("job", choices=sorted(JOBS))
    job = parser.parse_args(arguments).job
    try:
        settings = load_settings()
        logs.set_up(settings.log_level)
        JOBS[job](settings)
    except SkerryError as error:
        sys.stderr.write(f"{error}\n{error.hint}\n")
        return 1
    log.info("done", extra={"job": job})
    return 0


if __name__ == "__main__":
    sys.exit(main())
