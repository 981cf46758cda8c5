"""The only doors to PostgreSQL: tenant_transaction, tenant_read, platform_transaction(purpose).

Contract: every statement runs inside one of them. A tenant door sets `app.organization_id` for its own transaction only
(`set_config(..., is_local => true)`), so a pooled connection never carries a tenant over. The transaction commits
when the `async with` block ends, which a caller does before it builds a response; nothing commits later. A
ReadSession cannot write: its type has no method for it and its transaction is READ ONLY. What is to happen because
of a commit (ring a bell) is given to `WriteSession.after_commit`.

Source: PostgreSQL manual, 5.9 Row Security Policies and 9.28.1 set_config; the shape of windmill's `UserDB::begin`.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import URL, CursorResult, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from skerry.base.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Executable, RowMapping, Select, TextClause
    from sqlalchemy.sql.dml import UpdateBase
    from sqlalchemy.sql.selectable import CompoundSelect

    from skerry.kit.settings import Settings

    Reading = Select[Any] | CompoundSelect[Any] | TextClause

log = logging.getLogger(__name__)

STATEMENT_DEADLINE_MS = 15_000
LOCK_DEADLINE_MS = 5_000
IDLE_DEADLINE_MS = 30_000
CONNECT_DEADLINE_S = 3
POOL_WAIT_S = 5.0
POOL_OVERFLOW = 10
CONNECTION_LIFE_S = 1800

PlatformPurpose = Literal[
    "bootstrap", "signing_keys", "sign_in", "outbox", "namespaces", "heartbeats", "schedules", "health"
]
"""Why a statement may look across organisations. Role platform sees only tables with a policy of its own."""

ENTER_TENANT = text("select set_config('app.organization_id', :organization_id, true)")
ENTER_TENANT_READ = text(
    "select set_config('app.organization_id', :organization_id, true), set_config('transaction_read_only', 'on', true)"
)
ENTER_PLATFORM = text("select set_config('app.platform_purpose', :purpose, true)")


class ReadSession:
    """A READ ONLY transaction. Rows come back as mappings: `row["name"]`."""

    __slots__ = ("_connection",)

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def all(self, statement: Reading, parameters: Mapping[str, Any] | None = None) -> Sequence[RowMapping]:
        """Return every row."""
        return (await self._run(statement, parameters)).mappings().all()

    async def first(self, statement: Reading, parameters: Mapping[str, Any] | None = None) -> RowMapping | None:
        """Return the first row, or None."""
        return (await self._run(statement, parameters)).mappings().first()

    async def scalar(self, statement: Reading, parameters: Mapping[str, Any] | None = None) -> Any:
        """Return the first column of the first row, or None."""
        return (await self._run(statement, parameters)).scalar()

    async def _run(self, statement: Executable, parameters: Mapping[str, Any] | None) -> CursorResult[Any]:
        return await self._connection.execute(statement, parameters)


class WriteSession(ReadSession):
    """A transaction that may change rows. It can stand wherever a ReadSession is wanted, never the other way round."""

    __slots__ = ("_after_commit",)

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection)
        self._after_commit: list[Callable[[], Awaitable[object]]] = []

    async def execute(
        self,
        statement: UpdateBase | TextClause,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> int:
        """Run a change (several rows when `parameters` is a list) and return how many rows it touched."""
        return (await self._connection.execute(statement, parameters)).rowcount

    async def returning(
        self, statement: UpdateBase, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[RowMapping]:
        """Run a change that has a RETURNING clause and return its rows."""
        return (await self._run(statement, parameters)).mappings().all()

    async def returning_one(
        self, statement: UpdateBase, parameters: Mapping[str, Any] | None = None
    ) -> RowMapping | None:
        """Run a change that has a RETURNING clause and return its first row, None when it touched none."""
        return (await self._run(statement, parameters)).mappings().first()

    def after_commit(self, action: Callable[[], Awaitable[object]]) -> None:
        """Have `action` awaited once the commit is done; its failure is logged and changes nothing."""
        self._after_commit.append(action)

    async def run_after_commit(self) -> None:
        """Await what was asked for by `after_commit`; called by the doors."""
        for action in self._after_commit:
            try:
                await action()
            except Exception:
                log.exception("an action after a commit failed")


class Database:
    """Two pools, one for each database role that a serving process has: app (under RLS) and platform."""

    def __init__(self, settings: Settings, *, application: str) -> None:
        """Make the pools; nothing connects before the first transaction.

        Args:
            settings: place, database and the secrets `postgres-app`, `postgres-platform`.
            application: shown as application_name in pg_stat_activity.
        """
        self._app = make_engine(settings, "skerry_app", secret="postgres-app", application=application)  # noqa: S106  a name
        self._platform = make_engine(settings, "skerry_platform", secret="postgres-platform", application=application)  # noqa: S106

    @asynccontextmanager
    async def tenant_transaction(self, organization_id: UUID) -> AsyncIterator[WriteSession]:
        """Open a transaction of one organisation as role app: committed at the end of the block, else rolled back.

        Raises:
            UnavailableError: `database.unavailable`, `database.busy`.
        """
        async with _transaction(self._app, ENTER_TENANT, {"organization_id": str(organization_id)}) as connection:
            session = WriteSession(connection)
            yield session
        await session.run_after_commit()

    @asynccontextmanager
    async def tenant_read(self, organization_id: UUID) -> AsyncIterator[ReadSession]:
        """Open a READ ONLY transaction of one organisation as role app.

        Raises:
            UnavailableError: `database.unavailable`, `database.busy`.
        """
        async with _transaction(self._app, ENTER_TENANT_READ, {"organization_id": str(organization_id)}) as connection:
            yield ReadSession(connection)

    @asynccontextmanager
    async def platform_transaction(self, purpose: PlatformPurpose) -> AsyncIterator[WriteSession]:
        """Open a transaction across organisations as role platform, which sees tables that name it in a policy.

        Raises:
            UnavailableError: `database.unavailable`, `database.busy`.
        """
        async with _transaction(self._platform, ENTER_PLATFORM, {"purpose": purpose}) as connection:
            session = WriteSession(connection)
            yield session
        await session.run_after_commit()

    async def close(self) -> None:
        """Close both pools."""
        await self._app.dispose()
        await self._platform.dispose()


def make_url(settings: Settings, role: str, *, secret: str, database: str | None = None) -> URL:
    """Return the URL of `role` in `database` (the product's own when None), its password taken from `secret`."""
    return URL.create(
        "postgresql+psycopg",
        username=role,
        password=settings.secrets.text(secret),
        host=settings.database.host,
        port=settings.database.port,
        database=database or settings.database_name,
    )


def make_engine(settings: Settings, role: str, *, secret: str, application: str) -> AsyncEngine:
    """Return an engine for `role` with every deadline set on the server's side too."""
    options = (
        f"-c statement_timeout={STATEMENT_DEADLINE_MS} -c lock_timeout={LOCK_DEADLINE_MS} "
        f"-c idle_in_transaction_session_timeout={IDLE_DEADLINE_MS} -c timezone=UTC"
    )
    return create_async_engine(
        make_url(settings, role, secret=secret),
        pool_size=settings.pool_size,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_WAIT_S,
        pool_recycle=CONNECTION_LIFE_S,
        execution_options={"preserve_rowcount": True},  # else an INSERT says nothing of how many rows it made
        connect_args={"connect_timeout": CONNECT_DEADLINE_S, "application_name": application, "options": options},
    )


@asynccontextmanager
async def _transaction(
    engine: AsyncEngine, enter: TextClause, parameters: dict[str, str]
) -> AsyncIterator[AsyncConnection]:
    try:
        connection = await _entered(engine, enter, parameters)
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        raise _unavailable(error) from error
    try:
        yield connection
        await connection.commit()
    except (OperationalError, InterfaceError) as error:
        raise _unavailable(error) from error
    finally:
        await connection.close()  # rolls back whatever was not committed


async def _entered(engine: AsyncEngine, enter: TextClause, parameters: dict[str, str]) -> AsyncConnection:
    """Return a connection inside its transaction; a pooled one that the server has dropped is replaced once."""
    for last in (False, True):
        connection = await engine.connect()
        try:
            await connection.execute(enter, parameters)
        except DBAPIError as error:
            await connection.close()
            if last or not error.connection_invalidated:
                raise
        except BaseException:
            await connection.close()
            raise
        else:
            return connection
    raise AssertionError("unreachable")


def _unavailable(error: Exception) -> UnavailableError:
    if isinstance(error, PoolTimeoutError):
        return UnavailableError(
            "database.busy", f"no database connection came free within {POOL_WAIT_S:.0f} s", "try again"
        )
    return UnavailableError(
        "database.unavailable", "the database does not answer", "try again; see `skerry stack status`"
    )
