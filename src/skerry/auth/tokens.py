"""Tokens: JWTs signed with ES256, one audience a door.

Contract: every token has iss, aud, sub, iat, nbf, exp, jti, `organization` (slug) and `organization_uuid`; API
tokens add what stock clients read: `email`, `name`, `token_id` (the jti again). A token for one audience is refused
by the other doors. Verifying checks the signature, kid, algorithm, issuer, audience and times; whether the token was
revoked is asked of PostgreSQL (auth/service.py).

Source: RFC 7519, RFC 8725 (algorithm fixed by us, never by the token).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

import jwt

from skerry.auth.keys import ALGORITHM
from skerry.base import clock
from skerry.base.errors import UnauthenticatedError
from skerry.kit.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from skerry.auth.keys import KeyRing

Audience = Literal["skerry-api", "temporal", "litellm"]

API_AUDIENCE: Final[Audience] = "skerry-api"
TOKEN_LIMIT_CHARS: Final = 8192
LEEWAY_S: Final = 30
DEFAULT_KEY_LIFE: Final = dt.timedelta(days=365)
SHORT_LIFE: Final = dt.timedelta(minutes=10)
"""Life of tokens for Temporal and LiteLLM, which check no revocation."""
REQUIRED: Final = ("iss", "aud", "sub", "iat", "nbf", "exp", "jti", "organization", "organization_uuid")

TemporalRole = Literal["read", "write", "worker", "admin"]
SYSTEM_NAMESPACE: Final = "temporal-system"


@dataclass(frozen=True)
class Subject:
    """Whom a token speaks for: `subject` is a user's or worker queue's UUID, or the name of one of our own services."""

    kind: Literal["user", "worker", "system"]
    subject: str
    organization_id: UUID
    organization: str
    name: str
    email: str | None = None


@dataclass(frozen=True)
class Claims:
    """What a verified token says."""

    kind: str
    subject: str
    token_id: UUID
    organization_id: UUID
    organization: str


class Issuer:
    """Mints and verifies tokens with the keys of a KeyRing."""

    def __init__(self, keys: KeyRing, *, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer

    async def mint_api_key(self, subject: Subject, *, token_id: UUID, expires_at: dt.datetime) -> str:
        """Return a token for the API; the caller stores its row (`tokens`), without which it is refused.

        Raises:
            UnavailableError: `auth.no_signing_key`, `database.unavailable`.
        """
        extra = {"token_id": str(token_id), "name": subject.name, "email": subject.email}
        return await self._mint(subject, API_AUDIENCE, token_id=token_id, expires_at=expires_at, extra=extra)

    async def mint_temporal(
        self, subject: Subject, *, roles: Mapping[str, Sequence[TemporalRole]], life: dt.timedelta = SHORT_LIFE
    ) -> str:
        """Return a token for Temporal.

        Args:
            subject: whom it speaks for.
            roles: namespace -> roles in it, written as `permissions: ["<namespace>:<role>", ...]`, which Temporal's
                default claim mapper reads. SYSTEM_NAMESPACE with admin may register namespaces.
            life: at most SHORT_LIFE, because Temporal checks no revocation.

        Raises:
            UnavailableError: `auth.no_signing_key`, `database.unavailable`.
        """
        permissions = [f"{namespace}:{role}" for namespace, names in roles.items() for role in names]
        return await self._mint_short(subject, "temporal", life=life, extra={"permissions": permissions})

    async def mint_litellm(
        self, subject: Subject, *, extra: Mapping[str, str] | None = None, life: dt.timedelta = SHORT_LIFE
    ) -> str:
        """Return a token for LiteLLM's door; `extra` (e.g. execution_id) comes back in its usage records.

        Raises:
            UnavailableError: `auth.no_signing_key`, `database.unavailable`.
        """
        return await self._mint_short(subject, "litellm", life=life, extra=extra or {})

    async def verify(self, token: str, *, audience: Audience = API_AUDIENCE) -> Claims:
        """Return what `token` says, once its signature and every claim hold for `audience`.

        Raises:
            UnauthenticatedError: `auth.token_malformed`, `auth.token_unknown_key`, `auth.token_expired`,
                `auth.token_refused`.
            UnavailableError: when keys were never read and PostgreSQL does not answer.
        """
        kid = _kid(token)
        key = await self._keys.verifying(kid)
        if key is None:
            raise UnauthenticatedError(
                "auth.token_unknown_key", "the token is not signed by a key of this site", "use a key made on this site"
            )
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": list(REQUIRED), "strict_aud": True},
            )
        except jwt.ExpiredSignatureError as error:
            raise UnauthenticatedError("auth.token_expired", "the token has expired", "ask for a new key") from error
        except jwt.PyJWTError as error:
            raise UnauthenticatedError(
                "auth.token_refused",
                "the token does not hold for this door",
                "use a key for this door, made on this site",
            ) from error
        return _claims(claims)

    async def _mint_short(
        self, subject: Subject, audience: Audience, *, life: dt.timedelta, extra: Mapping[str, Any]
    ) -> str:
        if life > SHORT_LIFE:
            raise ValueError("a token that nobody can revoke lives for SHORT_LIFE at most")
        expires_at = clock.now() + life
        return await self._mint(subject, audience, token_id=new_id(), expires_at=expires_at, extra=extra)

    async def _mint(
        self, subject: Subject, audience: Audience, *, token_id: UUID, expires_at: dt.datetime, extra: Mapping[str, Any]
    ) -> str:
        signing = await self._keys.signing()
        moment = int(clock.now().timestamp())
        claims = {
            "iss": self._issuer,
            "aud": audience,
            "sub": subject.subject,
            "iat": moment,
            "nbf": moment,
            "exp": int(expires_at.timestamp()),
            "jti": str(token_id),
            "kind": subject.kind,
            "organization": subject.organization,
            "organization_uuid": str(subject.organization_id),
            **{name: value for name, value in extra.items() if value is not None},
        }
        return jwt.encode(claims, signing.private, algorithm=ALGORITHM, headers={"kid": signing.kid})


def _kid(token: str) -> str:
    if len(token) > TOKEN_LIMIT_CHARS:
        raise _malformed()
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise _malformed() from error
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM or not isinstance(kid, str):
        raise _malformed()
    return kid


def _claims(claims: Mapping[str, Any]) -> Claims:
    try:
        return Claims(
            kind=str(claims.get("kind", "user")),
            subject=str(claims["sub"]),
            token_id=UUID(str(claims["jti"])),
            organization_id=UUID(str(claims["organization_uuid"])),
            organization=str(claims["organization"]),
        )
    except ValueError as error:
        raise _malformed() from error


def _malformed() -> UnauthenticatedError:
    return UnauthenticatedError(
        "auth.token_malformed", "that is not a token of this site", "send `Authorization: Bearer <key>`"
    )
