"""FastAPI dependency of every guarded route: who is calling, may they, and the doors to their organisation's rows.

Contract: `guard("agents:create")` gives an endpoint a Caller. It raises 401 for nobody, 403 for a denial (code
`authz.denied`, with the rule that decided), 503 when either cannot be known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection  # noqa: TC002  FastAPI reads the annotation

from skerry.auth.guard import principal_from
from skerry.authz.opa import Opa
from skerry.base.errors import DeniedError
from skerry.kit import logs
from skerry.kit.db import Database
from skerry.kit.http import part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from skerry.auth.principal import Principal
    from skerry.authz.opa import Decision
    from skerry.kit.db import ReadSession, WriteSession


@dataclass(frozen=True)
class Caller:
    """Who is calling, what was decided, and the two doors to their organisation."""

    principal: Principal
    decision: Decision
    database: Database
    opa: Opa

    def read(self) -> AbstractAsyncContextManager[ReadSession]:
        """Open a READ ONLY transaction of the caller's organisation."""
        return self.database.tenant_read(self.principal.organization_id)

    def write(self) -> AbstractAsyncContextManager[WriteSession]:
        """Open a transaction of the caller's organisation; it commits at the end of the block, before the answer."""
        return self.database.tenant_transaction(self.principal.organization_id)

    async def require(self, action: str, resource: Mapping[str, Any] | None = None) -> Decision:
        """Ask for a second decision inside a route, on a named resource.

        Raises:
            DeniedError: `authz.denied`.
            UnavailableError: `authz.unavailable`.
        """
        return await require(self.opa, self.principal, action, resource)


async def require(opa: Opa, principal: Principal, action: str, resource: Mapping[str, Any] | None = None) -> Decision:
    """Return the decision when it allows.

    Raises:
        DeniedError: `authz.denied`.
        UnavailableError: `authz.unavailable`.
    """
    decision = await opa.decide(principal, action, resource)
    if not decision.allow:
        raise DeniedError(
            "authz.denied",
            f"{action} is denied by {decision.rule}: {decision.reason}",
            "ask an administrator of your organisation for the right",
        )
    return decision


def guard(action: str) -> Callable[[HTTPConnection], Awaitable[Caller]]:
    """Return the dependency of a route that does `action` ("room:verb", a pair that policies/skerry/api knows).

    Raises (when a request comes):
        UnauthenticatedError, DeniedError, UnavailableError.
    """

    async def guarded(connection: HTTPConnection) -> Caller:
        principal = await principal_from(connection)
        opa = part(connection, Opa)
        logs.bind(organization_id=str(principal.organization_id))
        decision = await require(opa, principal, action)
        return Caller(principal, decision, part(connection, Database), opa)

    return guarded
