"""Two organisations with a row each in every table: neither sees, changes, takes or points at the other's."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import pkgutil
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Integer,
    Text,
    Uuid,
    create_engine,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from tests.integration.postgres import Server, running_postgres, with_pool

from skerry import tables
from skerry.base import clock
from skerry.base.errors import UnavailableError
from skerry.kit.db import Database, ReadSession, make_url
from skerry.kit.ids import new_id
from skerry.record import outbox as outbox_record
from skerry.tables.agents import agents
from skerry.tables.base import metadata
from skerry.tables.organizations import users
from skerry.tables.outbox import outbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator
    from uuid import UUID

    from sqlalchemy import Column, Table

pytestmark = pytest.mark.integration

for _module in pkgutil.iter_modules(tables.__path__, f"{tables.__name__}."):
    importlib.import_module(_module.name)
TENANT_TABLES = [table for table in metadata.sorted_tables if "organization_id" in table.c]
NAMES = [table.name for table in TENANT_TABLES]
OF_A_KIND: dict[tuple[str, str], Any] = {
    ("tokens", "kind"): "api_key",
    ("tokens", "worker_queue_id"): None,
    ("execution_messages", "role"): "user",
}
"""Values that a table's checks ask for; what is not here is made up by type."""


@dataclass
class Tenant:
    """An organisation and its one row of every table."""

    organization_id: UUID
    letter: str
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class House:
    """The server and its two tenants."""

    server: Server
    a: Tenant
    b: Tenant


def make_row(table: Table, tenant: Tenant) -> dict[str, Any]:
    """Return a row: the tenant's own parents, and a made-up value for every other column that must have one."""
    row: dict[str, Any] = {}
    for constraint in table.foreign_key_constraints:
        parent = tenant.rows.get(constraint.referred_table.name)
        if parent is not None:
            row |= {
                element.parent.name: parent[element.column.name]
                for element in constraint.elements
                if element.column.name in parent
            }
    for column in table.columns:
        if (table.name, column.name) in OF_A_KIND:
            row[column.name] = OF_A_KIND[table.name, column.name]
        elif column.name == "organization_id":
            row[column.name] = tenant.organization_id
        elif column.name not in row and not column.nullable and column.server_default is None:
            row[column.name] = make_value(column, tenant)
    return row


def make_value(column: Column[Any], tenant: Tenant) -> Any:
    """Return a value of the column's type that differs between tenants where it can."""
    moment = clock.now() + dt.timedelta(days=1)
    made: dict[type[Any], Any] = {
        Uuid: new_id(),
        DateTime: moment,
        Date: clock.now().date(),
        Boolean: False,
        Integer: 1,
        BigInteger: 1,
        JSONB: {},
        ARRAY: [],
        Text: tenant.letter * 64,  # also fits where a digest is wanted
    }
    return made[type(column.type)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_postgres(tmp_path_factory.mktemp("secrets")) as server:
        tenants = Tenant(new_id(), "a"), Tenant(new_id(), "b")
        engine = create_engine(make_url(server.settings, "skerry_migrate", secret="postgres-migrate"))
        with engine.begin() as connection:
            for tenant in tenants:
                for table in TENANT_TABLES:
                    row = make_row(table, tenant)
                    if table.name == "organizations":
                        row["slug"] = f"tenant-{tenant.letter}"
                    connection.execute(insert(table).values(**row))
                    tenant.rows[table.name] = row
        engine.dispose()
        yield House(server, *tenants)


@asynccontextmanager
async def opened(house: House, *, pool: int = 1) -> AsyncIterator[Database]:
    """A Database with one connection a role, so that what leaks from one transaction meets the next."""
    database = Database(with_pool(house.server.settings, pool), application="test")
    try:
        yield database
    finally:
        await database.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def key_of(table: Table, row: dict[str, Any]) -> Any:
    clause = table.c.organization_id == row["organization_id"]
    for column in table.primary_key.columns:
        clause = clause & (column == row[column.name])
    return clause


@pytest.mark.parametrize("name", NAMES)
def test_a_tenant_reads_its_own_rows_only(house: House, name: str) -> None:
    table = metadata.tables[f"skerry.{name}"]

    async def go() -> None:
        async with opened(house) as database:
            for own, other in ((house.a, house.b), (house.b, house.a)):
                async with database.tenant_read(own.organization_id) as session:
                    rows = await session.all(select(table))
                    assert {row["organization_id"] for row in rows} == {own.organization_id}
                    assert await session.first(select(table).where(key_of(table, own.rows[name]))) is not None
                    assert await session.first(select(table).where(key_of(table, other.rows[name]))) is None

    run(go())


@pytest.mark.parametrize("name", NAMES)
def test_a_tenant_changes_nothing_of_another(house: House, name: str) -> None:
    """Every write at another's row touches none, or is refused; afterwards it is there unchanged."""
    table = metadata.tables[f"skerry.{name}"]
    other = house.b.rows[name]
    some = next(column for column in reversed(list(table.columns)) if column.name != "organization_id")

    async def go() -> None:
        async with opened(house) as database:
            for statement in (
                update(table).where(key_of(table, other)).values({some.name: some}),
                update(table).where(key_of(table, other)).values(organization_id=house.a.organization_id),
                delete(table).where(key_of(table, other)),
            ):
                try:
                    async with database.tenant_transaction(house.a.organization_id) as session:
                        assert await session.execute(statement) == 0
                except ProgrammingError as error:
                    assert "permission denied" in str(error)  # noqa: PT017  either outcome is a pass
            async with database.tenant_read(house.b.organization_id) as session:
                assert await session.first(select(table).where(key_of(table, other))) is not None

    run(go())


@pytest.mark.parametrize("name", NAMES)
def test_a_tenant_puts_nothing_into_another(house: House, name: str) -> None:
    table = metadata.tables[f"skerry.{name}"]

    async def go() -> None:
        row = make_row(table, house.b)
        for column in table.primary_key.columns:
            if isinstance(column.type, Uuid) and column.name == "id":
                row[column.name] = new_id()
        async with opened(house) as database:
            with pytest.raises(DBAPIError, match=r"row-level security|permission denied"):
                async with database.tenant_transaction(house.a.organization_id) as session:
                    await session.execute(insert(table).values(**row))
            moved = update(table).values(organization_id=house.b.organization_id)
            with pytest.raises(DBAPIError, match=r"row-level security|permission denied|duplicate key"):
                async with database.tenant_transaction(house.a.organization_id) as session:
                    await session.execute(moved)

    run(go())


POINTERS = [
    (table.name, constraint.name)
    for table in TENANT_TABLES
    for constraint in table.foreign_key_constraints
    if len(constraint.elements) > 1 and (table.name, constraint.elements[-1].parent.name) not in OF_A_KIND
]


@pytest.mark.parametrize(("name", "constraint_name"), POINTERS)
def test_a_tenant_points_at_nothing_of_another(house: House, name: str, constraint_name: str) -> None:
    """Foreign-key checks bypass row-level security: that the organisation is in the key is what refuses it."""
    table = metadata.tables[f"skerry.{name}"]
    constraint = next(one for one in table.foreign_key_constraints if one.name == constraint_name)
    parent = house.b.rows[constraint.referred_table.name]
    row = make_row(table, house.a)
    for element in constraint.elements:
        if element.parent.name != "organization_id":
            row[element.parent.name] = parent[element.column.name]
    if "id" in row:
        row["id"] = new_id()

    async def go() -> None:
        async with opened(house) as database:
            with pytest.raises(IntegrityError, match="foreign key"):
                async with database.tenant_transaction(house.a.organization_id) as session:
                    await session.execute(insert(table).values(**row))

    run(go())


@pytest.mark.parametrize("name", NAMES)
def test_without_an_organisation_there_are_no_rows(house: House, name: str) -> None:
    with house.server.connect("skerry_app", "postgres-app") as connection:
        for setting in (None, ""):
            if setting is not None:
                connection.execute("select set_config('app.organization_id', '', false)")
            assert connection.execute(f"select count(*) from skerry.{name}".encode()).fetchone() == (0,)  # noqa: S608


def test_an_organisation_that_is_no_uuid_is_an_error_and_no_way_in(house: House) -> None:
    with house.server.connect("skerry_app", "postgres-app") as connection:
        connection.execute("select set_config('app.organization_id', 'x'' or true --', false)")
        with pytest.raises(Exception, match="invalid input syntax for type uuid"):
            connection.execute("select count(*) from skerry.agents")


@pytest.mark.parametrize("name", NAMES)
def test_the_platform_sees_named_tables_only(house: House, name: str) -> None:
    from_catalogue = {"organizations", "outbox", "worker_queues", "workers", "executions"}
    table = metadata.tables[f"skerry.{name}"]

    async def go() -> None:
        async with opened(house) as database:
            if name in from_catalogue:
                async with database.platform_transaction("outbox") as session:
                    assert await session.scalar(select(func.count()).select_from(table)) == 2
                return
            with pytest.raises(ProgrammingError, match="permission denied"):
                async with database.platform_transaction("outbox") as session:
                    await session.all(select(table))

    run(go())


def test_the_setting_ends_with_its_transaction(house: House) -> None:
    """On the one pooled connection: after a commit, a rollback and an error, the next tenant sees its own rows."""

    async def go() -> None:
        async with opened(house) as database:
            for ending in ("commit", "error", "database error"):
                try:
                    async with database.tenant_transaction(house.a.organization_id) as session:
                        assert await session.scalar(select(func.count()).select_from(agents)) == 1
                        if ending == "error":
                            raise KeyError(ending)  # noqa: TRY301  it is how a room fails
                        if ending == "database error":
                            await session.execute(text("select 1/0"))
                except (KeyError, DBAPIError):
                    pass
                async with database._app.connect() as connection:  # noqa: SLF001  what the pool hands out, bare
                    setting = await connection.scalar(text("select current_setting('app.organization_id', true)"))
                    assert setting in {None, ""}
                    assert await connection.scalar(select(func.count()).select_from(agents)) == 0
                async with database.tenant_read(house.b.organization_id) as session:
                    row = await session.first(select(agents))
                    assert row is not None
                    assert row["organization_id"] == house.b.organization_id

    run(go())


def test_tenants_side_by_side_do_not_mix(house: House) -> None:
    async def look(database: Database, tenant: Tenant) -> None:
        for _ in range(25):
            async with database.tenant_read(tenant.organization_id) as session:
                await asyncio.sleep(0)
                rows = await session.all(select(agents.c.organization_id))
                assert [row["organization_id"] for row in rows] == [tenant.organization_id]

    async def go() -> None:
        async with opened(house, pool=3) as database:
            await asyncio.gather(*(look(database, tenant) for tenant in (house.a, house.b) * 4))

    run(go())


def test_a_read_session_cannot_write_even_in_sql(house: House) -> None:
    async def go() -> None:
        async with opened(house) as database:
            for statement in (
                "update skerry.agents set name = 'x'",
                "set transaction read write",
                "select set_config('transaction_read_only', 'off', true)",
            ):
                with pytest.raises(DBAPIError, match=r"read-only|read-write"):
                    async with database.tenant_read(house.a.organization_id) as session:
                        await session.scalar(text(statement))

    run(go())
    assert not hasattr(ReadSession, "execute")


def test_what_failed_is_not_there_and_rings_nothing(house: House) -> None:
    rung: list[str] = []

    async def ring() -> None:
        rung.append("rung")

    async def change(database: Database, *, fail: bool) -> None:
        async with database.tenant_transaction(house.a.organization_id) as session:
            await session.execute(update(users).values(name="changed" if fail else "kept"))
            session.after_commit(ring)
            if fail:
                raise KeyError("no")

    async def go() -> None:
        async with opened(house) as database:
            with pytest.raises(KeyError):
                await change(database, fail=True)
            assert rung == []
            await change(database, fail=False)
            assert rung == ["rung"]
            async with database.tenant_read(house.a.organization_id) as session:
                assert await session.scalar(select(users.c.name)) == "kept"

    run(go())


def test_an_outbox_line_is_delivered_once_and_a_failed_one_later(house: House) -> None:
    async def go() -> None:
        async with opened(house, pool=3) as database:
            async with database.tenant_transaction(house.a.organization_id) as session:
                await session.execute(text("select 1"))
                line_id = await outbox_record.append(session, house.a.organization_id, "test.line", {"id": "1"})
            async with database.platform_transaction("outbox") as first:
                claimed = {line["id"]: line for line in await outbox_record.claim(first)}
                assert line_id in claimed
                async with database.platform_transaction("outbox") as second:
                    assert await outbox_record.claim(second) == []  # locked lines are skipped, not waited for
                await outbox_record.postpone(first, claimed[line_id], code="temporal.unavailable")
            async with database.platform_transaction("outbox") as session:
                assert line_id not in {line["id"] for line in await outbox_record.claim(session)}
                row = await session.first(select(outbox).where(outbox.c.id == line_id))
                assert row is not None
                assert (row["attempts"], row["last_error"]) == (1, "temporal.unavailable")
                await outbox_record.settle(session, house.a.organization_id, line_id)
            async with database.platform_transaction("outbox") as session:
                delivered = await session.scalar(select(outbox.c.delivered_at).where(outbox.c.id == line_id))
                assert delivered is not None

    run(go())


def test_a_dropped_connection_is_replaced(house: House) -> None:
    """A pooled connection that the server dropped is replaced without the caller knowing."""

    async def go() -> None:
        async with opened(house) as database:
            async with database.tenant_read(house.a.organization_id) as session:
                await session.scalar(select(func.count()).select_from(agents))
            with house.server.connect("postgres", "postgres-superuser") as connection:
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'skerry_app'"
                )
            async with database.tenant_read(house.a.organization_id) as session:
                assert await session.scalar(select(func.count()).select_from(agents)) == 1

    run(go())


def test_nobody_there_is_one_error(house: House) -> None:
    away = with_pool(house.server.settings, 1)
    nobody = Database(type(away)(**{**vars(away), "database": type(away.database)("127.0.0.1", 9)}), application="test")

    async def go() -> None:
        with pytest.raises(UnavailableError) as caught:
            async with nobody.tenant_read(house.a.organization_id):
                raise AssertionError("no transaction was to open")
        assert caught.value.code == "database.unavailable"
        await nobody.close()

    run(go())


def test_a_full_pool_is_one_error(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skerry.kit.db.POOL_WAIT_S", 0.2)
    monkeypatch.setattr("skerry.kit.db.POOL_OVERFLOW", 0)

    async def go() -> None:
        async with opened(house) as database, database.tenant_read(house.a.organization_id):
            with pytest.raises(UnavailableError) as caught:
                async with database.tenant_read(house.b.organization_id):
                    raise AssertionError("no transaction was to open")
            assert caught.value.code == "database.busy"

    run(go())
