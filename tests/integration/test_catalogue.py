"""What pg_catalog says about tenancy, roles and grants on a migrated database: every table, index, key, policy."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from tests.integration.postgres import Server, running_postgres

from skerry import database, tables
from skerry.kit.db import make_url
from skerry.tables.base import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

pytestmark = pytest.mark.integration

NOBODYS = {"alembic_version", "signing_keys", "system_workers"}
"""Tables of no tenant; role app has no privilege on them."""
PLATFORM_READS = {
    *("organizations", "outbox", "signing_keys", "worker_queues", "workers", "executions", "system_workers"),
}
"""Tables with a policy for role platform: each widens what a mistake can show, so each is named here."""
FREE_INDEXES = {"organizations_slug_key", "outbox_due_at_idx"}
"""Indexes that do not start with the organisation, because what uses them asks for every organisation."""
POLICY = (
    "(organization_id = ( SELECT (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid"
    ' AS "nullif"))'
)
OWN = "c.relnamespace = 'skerry'::regnamespace"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_postgres(tmp_path_factory.mktemp("secrets")) as started:
        yield started


@pytest.fixture(scope="module")
def catalogue(server: Server) -> Iterator[psycopg.Connection]:
    with server.connect("postgres", "postgres-superuser") as connection:
        yield connection


def ask(connection: psycopg.Connection, question: str) -> list[tuple[Any, ...]]:
    return connection.execute(question.replace("@own", OWN).encode()).fetchall()


def tenant_tables(connection: psycopg.Connection) -> set[str]:
    found = ask(connection, "select relname from pg_class c where @own and relkind in ('r', 'p')")
    return {name for (name,) in found} - NOBODYS


def test_every_table_of_the_product_is_looked_at(catalogue: psycopg.Connection) -> None:
    assert {"organizations", "users", "tokens", "agents", "outbox"} <= tenant_tables(catalogue)
    strays = ask(
        catalogue,
        "select oid::regclass::text from pg_class where relkind in ('r', 'p', 'v', 'm', 'f') and relnamespace not in"
        " ('skerry'::regnamespace, 'pg_catalog'::regnamespace, 'information_schema'::regnamespace)"
        " and relnamespace::regnamespace::text !~ '^pg_'",
    )
    assert strays == []
    views = ask(catalogue, "select relname from pg_class c where @own and relkind in ('v', 'm', 'f')")
    assert views == []  # a view runs with its owner's rights: it would need a proof of its own


def test_row_level_security_is_on_and_forced(catalogue: psycopg.Connection) -> None:
    found = ask(
        catalogue,
        "select relname from pg_class c where @own and relkind in ('r', 'p') and relname <> 'alembic_version'"
        " and not (relrowsecurity and relforcerowsecurity)",
    )
    assert found == []


def test_every_tenant_table_has_the_one_policy(catalogue: psycopg.Connection) -> None:
    policies = ask(
        catalogue,
        "select c.relname, p.polname, p.polcmd::text, p.polpermissive, p.polroles::regrole[]::text[],"
        " pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)"
        " from pg_policy p join pg_class c on c.oid = p.polrelid where @own",
    )
    tenant = {row[0]: row for row in policies if row[1] == "tenant"}
    assert set(tenant) == tenant_tables(catalogue)
    for _, _, command, permissive, roles, using, check in tenant.values():
        assert (command, permissive, roles, using) == ("*", True, ["-"], POLICY)
        assert check in {None, POLICY}  # without one, USING is the check
    others = [row for row in policies if row[1] != "tenant"]
    assert {row[0] for row in others} == PLATFORM_READS
    assert all(row[4] == ["skerry_platform"] for row in others)


def test_the_organisation_comes_first_in_every_index(catalogue: psycopg.Connection) -> None:
    found = ask(
        catalogue,
        "select c.relname, i.relname from pg_index x join pg_class c on c.oid = x.indrelid"
        " join pg_class i on i.oid = x.indexrelid join pg_am m on m.oid = i.relam"
        " left join pg_attribute a on a.attrelid = c.oid and a.attnum = x.indkey[0]"
        " where @own and m.amname = 'btree' and a.attname is distinct from 'organization_id'",
    )
    assert {index for table, index in found if table not in NOBODYS} == FREE_INDEXES


def test_every_tenant_table_has_a_key_and_the_column(catalogue: psycopg.Connection) -> None:
    columns = ask(
        catalogue,
        "select c.relname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where @own and c.relkind in ('r', 'p') and a.attname = 'organization_id' and a.attnotnull"
        " and a.atttypid = 'uuid'::regtype",
    )
    assert {name for (name,) in columns} == tenant_tables(catalogue)
    keys = ask(
        catalogue,
        "select c.relname from pg_constraint k join pg_class c on c.oid = k.conrelid where @own and k.contype = 'p'",
    )
    assert {name for (name,) in keys} >= tenant_tables(catalogue)


def test_foreign_keys_hold_the_organisation_on_both_sides(catalogue: psycopg.Connection) -> None:
    found = ask(
        catalogue,
        "select k.conname from pg_constraint k join pg_class c on c.oid = k.conrelid"
        " join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]"
        " join pg_attribute f on f.attrelid = k.confrelid and f.attnum = k.confkey[1]"
        " where @own and k.contype = 'f' and (a.attname, f.attname) <> ('organization_id', 'organization_id')",
    )
    assert found == []


def test_every_tenant_table_hangs_on_its_organisation(catalogue: psycopg.Connection) -> None:
    """Directly, or through a parent: no row may outlive its organisation."""
    pairs = ask(
        catalogue,
        "select c.relname, f.relname from pg_constraint k join pg_class c on c.oid = k.conrelid"
        " join pg_class f on f.oid = k.confrelid where @own and k.contype = 'f'",
    )
    reached = {"organizations"}
    while grown := {child for child, parent in pairs if parent in reached} - reached:
        reached |= grown
    assert tenant_tables(catalogue) <= reached


def test_roles_are_what_they_should_be(catalogue: psycopg.Connection) -> None:
    found = ask(
        catalogue,
        "select rolname, rolcanlogin, rolbypassrls, rolsuper, rolcreaterole, rolcreatedb, rolreplication"
        " from pg_roles where rolname ~ '^(skerry|temporal)'",
    )
    assert {name: (login, bypass) for name, login, bypass, *_ in found} == {
        "skerry_owner": (False, False),
        "skerry_search": (False, True),
        "skerry_migrate": (True, True),
        "skerry_backup": (True, True),
        "skerry_app": (True, False),
        "skerry_platform": (True, False),
        "temporal": (True, False),
    }
    assert not any(any(row[3:]) for row in found)
    members = ask(
        catalogue,
        "select m.member::regrole::text, m.roleid::regrole::text from pg_auth_members m"
        " where m.member::regrole::text ~ '^(skerry|temporal)'",
    )
    assert set(members) == {("skerry_migrate", "skerry_owner"), ("skerry_backup", "pg_read_all_data")}


def test_passwords_are_scram(catalogue: psycopg.Connection) -> None:
    found = dict(ask(catalogue, "select rolname, rolpassword from pg_authid where rolname ~ '^(skerry|temporal)'"))
    assert all(text is None or text.startswith("SCRAM-SHA-256$") for text in found.values())
    assert sum(text is not None for text in found.values()) == len(database.PASSWORDS)


def test_everything_belongs_to_owner(catalogue: psycopg.Connection) -> None:
    found = ask(catalogue, "select relname from pg_class c where @own and relowner <> 'skerry_owner'::regrole")
    assert found == []


def test_nobody_has_more_than_rows(catalogue: psycopg.Connection) -> None:
    grants = ask(
        catalogue,
        "select c.relname, coalesce(g.grantee::regrole::text, '-'), g.privilege_type from pg_class c,"
        " aclexplode(c.relacl) g where @own and g.grantee <> c.relowner",
    )
    assert {grantee for _, grantee, _ in grants} == {"skerry_app", "skerry_platform"}
    assert {privilege for *_, privilege in grants} == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert not {table for table, grantee, _ in grants if grantee == "skerry_app"} & NOBODYS
    assert {table for table, grantee, _ in grants if grantee == "skerry_platform"} == PLATFORM_READS


def test_the_public_may_nothing(catalogue: psycopg.Connection) -> None:
    databases = ask(
        catalogue,
        "select datname from pg_database where datname <> 'template0'"
        " and has_database_privilege('public', datname, 'CONNECT')",
    )
    assert databases == []
    schemas = ask(
        catalogue,
        "select nspname from pg_namespace where nspname in ('public', 'skerry')"
        " and (has_schema_privilege('public', oid, 'USAGE') or has_schema_privilege('public', oid, 'CREATE'))",
    )
    assert schemas == []
    functions = ask(
        catalogue,
        "select oid::regprocedure::text from pg_proc where pronamespace = 'skerry'::regnamespace and prosecdef"
        " and has_function_privilege('public', oid, 'EXECUTE')",
    )
    assert functions == []


def test_security_definer_functions_pin_their_search_path(catalogue: psycopg.Connection) -> None:
    found = ask(
        catalogue,
        "select proname from pg_proc where pronamespace = 'skerry'::regnamespace and prosecdef"
        " and not exists (select from unnest(proconfig) c where c like 'search_path=%')",
    )
    assert found == []


def test_the_cluster_keeps_checksums_and_the_builtin_collation(catalogue: psycopg.Connection) -> None:
    assert ask(catalogue, "show data_checksums") == [("on",)]
    found = ask(
        catalogue,
        "select datname, datlocprovider::text, datlocale from pg_database where datname ~ '^(skerry|temporal)'",
    )
    assert {row[1:] for row in found} == {("b", "C.UTF-8")}
    assert {row[0] for row in found} == {"skerry", "temporal", "temporal_visibility"}


def test_the_migrations_make_what_the_tables_say(server: Server) -> None:
    for module in pkgutil.iter_modules(tables.__path__, f"{tables.__name__}."):
        importlib.import_module(module.name)
    engine = create_engine(make_url(server.settings, "skerry_migrate", secret="postgres-migrate"))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "version_table_schema": "skerry",
                "compare_type": True,
                "compare_server_default": True,
                "include_name": _named,
            },
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def _named(name: str | None, kind: str, _parents: object) -> bool:
    if kind == "schema":
        return name == "skerry"
    return not (kind == "table" and name is not None and name.startswith("execution_events_"))


def test_both_jobs_may_run_again(server: Server) -> None:
    with server.connect("postgres", "postgres-superuser") as connection:
        before = connection.execute("select kid from skerry.signing_keys").fetchall()
    database.make_roles(server.settings)
    database.migrate(server.settings)
    with server.connect("postgres", "postgres-superuser") as connection:
        assert connection.execute("select kid from skerry.signing_keys").fetchall() == before
    server.connect("skerry_app", "postgres-app").close()
