"""FastAPI dependency: who is calling, from the forms of the Authorization header that stock clients send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.requests import HTTPConnection  # noqa: TC002  FastAPI reads the annotation

from skerry.auth import service
from skerry.auth.tokens import Issuer
from skerry.base.errors import UnauthenticatedError
from skerry.kit.db import Database
from skerry.kit.http import part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skerry.auth.principal import Principal

SCHEMES: Final = frozenset({"bearer", "userkey", "baerer"})
"""`Baerer` is how one stock client spells it (kubiya-contract, section 1)."""


def token_from(headers: Mapping[str, str]) -> str:
    """Return the token of `Authorization: Bearer x`, `UserKey x`, `Baerer x`, a bare `x`, or a `UserKey: x` header.

    Raises:
        UnauthenticatedError: `auth.no_token`.
    """
    given = headers.get("authorization", "").strip() or headers.get("userkey", "").strip()
    scheme, _, rest = given.partition(" ")
    token = rest.strip() if scheme.lower() in SCHEMES else given
    if not token:
        raise UnauthenticatedError("auth.no_token", "no key was sent", "send `Authorization: Bearer <key>`")
    return token


async def principal_from(connection: HTTPConnection) -> Principal:
    """Return the caller of a request or WebSocket.

    Raises:
        UnauthenticatedError: `auth.no_token` and what `service.authenticate` raises.
        UnavailableError: `database.unavailable`.
    """
    token = token_from(connection.headers)
    return await service.authenticate(part(connection, Issuer), part(connection, Database), token)
