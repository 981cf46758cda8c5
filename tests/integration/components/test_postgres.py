"""PostgreSQL as it is configured: checksums, words, doors, and what its log never holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

SUPERUSER_SECRET = "postgres-superuser"
ROLES = {
    "skerry_app": "postgres-app",
    "skerry_platform": "postgres-platform",
    "skerry_migrate": "postgres-migrate",
    "skerry_backup": "postgres-backup",
    "temporal": "postgres-temporal",
    "postgres": SUPERUSER_SECRET,
}
# role -> databases it may enter
OPEN = {
    "skerry_app": {"skerry"},
    "skerry_platform": {"skerry"},
    "skerry_migrate": {"skerry"},
    "skerry_backup": {"skerry", "temporal", "temporal_visibility"},
    "temporal": {"temporal", "temporal_visibility"},
    "postgres": {"skerry", "temporal", "temporal_visibility", "postgres"},
}
DATABASES = ("skerry", "temporal", "temporal_visibility", "postgres")


def ask(stack: Stack, role: str, statement: str, *, database: str = "skerry", password: str | None = None) -> list[str]:
    """Return the first column of `statement`, asked by `role` from where the API stands."""

    def connect() -> list[str]:
        with psycopg.connect(
            host=stack.address("api", "postgres"),
            user=role,
            password=password if password is not None else stack.secret(ROLES[role]),
            dbname=database,
            connect_timeout=5,
        ) as connection:
            return [str(row[0]) for row in connection.execute(statement.encode()).fetchall()]

    return stack.call_from("api", connect)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("data_checksums", "on"),
        ("jit", "off"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("password_encryption", "scram-sha-256"),
        ("log_parameter_max_length", "0"),
        ("log_parameter_max_length_on_error", "0"),
        ("TimeZone", "UTC"),
    ],
)
def test_settings_are_those_of_the_file(stack: Stack, setting: str, value: str) -> None:
    assert ask(stack, "postgres", f"show {setting}") == [value]


def test_the_product_database_sorts_by_the_builtin_provider(stack: Stack) -> None:
    statement = "select concat(datlocprovider, ' ', datlocale) from pg_database where datname = 'skerry'"
    assert ask(stack, "postgres", statement) == ["b C.UTF-8"]


def test_every_password_is_a_scram_verifier(stack: Stack) -> None:
    kinds = ask(stack, "postgres", "select distinct left(rolpassword, 14) from pg_authid where rolpassword is not null")
    assert kinds == ["SCRAM-SHA-256$"]


@pytest.mark.parametrize("role", sorted(ROLES))
def test_each_role_enters_its_databases_and_no_other(stack: Stack, role: str) -> None:
    entered = set()
    for database in DATABASES:
        try:
            ask(stack, role, "select 1", database=database)
            entered.add(database)
        except psycopg.OperationalError:
            continue
    assert entered == OPEN[role]


@pytest.mark.parametrize("role", sorted(ROLES))
@pytest.mark.parametrize("password", ["", "postgres", "wrong"])
def test_no_role_enters_with_another_password(stack: Stack, role: str, password: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        ask(stack, role, "select 1", password=password)


def test_roles_that_own_never_log_in(stack: Stack) -> None:
    for role in ("skerry_owner", "skerry_search"):
        with pytest.raises(psycopg.OperationalError):
            ask(stack, role, "select 1", password=stack.secret("postgres-app"))


def test_configuration_files_have_no_error(stack: Stack) -> None:
    assert ask(stack, "postgres", "select error from pg_hba_file_rules where error is not null") == []
    assert ask(stack, "postgres", "select error from pg_file_settings where error is not null") == []


def test_a_failing_statement_with_a_parameter_leaves_no_value_in_the_log(stack: Stack) -> None:
    canary = "canary-5d0b7c1e-in-a-parameter"

    def fail() -> None:
        with (
            psycopg.connect(
                host=stack.address("api", "postgres"),
                user="skerry_app",
                password=stack.secret("postgres-app"),
                dbname="skerry",
            ) as connection,
            pytest.raises(psycopg.Error),
        ):
            connection.execute("select length(%s) / (0 * pg_sleep(0)::text::int)", (canary,))

    stack.call_from("api", fail)
    assert canary not in stack.logs("postgres")


def test_extensions_are_there(stack: Stack) -> None:
    assert "vector" in ask(stack, "postgres", "select extname from pg_extension")
    assert "btree_gin" in ask(stack, "postgres", "select extname from pg_extension", database="temporal_visibility")
