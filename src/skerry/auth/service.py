"""Turns a token into a Principal, and hands out API keys and pool keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skerry.auth import repository
from skerry.auth.principal import Principal
from skerry.auth.tokens import DEFAULT_KEY_LIFE, Subject
from skerry.base import clock
from skerry.base.errors import UnauthenticatedError
from skerry.kit.ids import missing, new_id

if TYPE_CHECKING:
    import datetime as dt
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.auth.tokens import Claims, Issuer
    from skerry.kit.db import Database, WriteSession


@dataclass(frozen=True)
class NewKey:
    """A token that was just made; the text is shown once and stored nowhere."""

    token_id: UUID
    token: str
    expires_at: dt.datetime


async def authenticate(issuer: Issuer, database: Database, token: str) -> Principal:
    """Return who holds `token`, once it is verified and neither it, its user nor its organisation is ended.

    Raises:
        UnauthenticatedError: what `Issuer.verify` raises, `auth.token_unknown`, `auth.token_revoked`,
            `auth.suspended`.
        UnavailableError: `database.unavailable`: who is calling cannot be known, so nobody is let in.
    """
    claims = await issuer.verify(token)
    async with database.tenant_read(claims.organization_id) as session:
        row = await repository.find_holder(session, claims.organization_id, claims.token_id)
    return principal_of(claims, row)


def principal_of(claims: Claims, row: RowMapping | None) -> Principal:
    """Return the Principal of a token's row.

    Raises:
        UnauthenticatedError: `auth.token_unknown`, `auth.token_revoked`, `auth.suspended`.
    """
    if row is None:
        raise UnauthenticatedError("auth.token_unknown", "this site has no such key", "ask for a new key")
    if row["revoked_at"] is not None or row["expires_at"] <= clock.now():
        raise UnauthenticatedError("auth.token_revoked", "the key was revoked", "ask for a new key")
    if row["organization_status"] != "active" or row["user_status"] not in {None, "active"}:
        raise UnauthenticatedError("auth.suspended", "the account is suspended", "ask an administrator")
    worker = row["kind"] == "worker"
    return Principal(
        kind="worker" if worker else "user",
        organization_id=claims.organization_id,
        organization=row["slug"],
        organization_name=row["organization_name"],
        token_id=claims.token_id,
        name=row["name"] if worker else row["user_name"],
        email=row["email"],
        user_id=row["user_id"],
        worker_queue_id=row["worker_queue_id"],
        roles=tuple(row["roles"] or ()),
    )


async def issue_user_key(
    session: WriteSession, issuer: Issuer, subject: Subject, *, user_id: UUID, life: dt.timedelta = DEFAULT_KEY_LIFE
) -> NewKey:
    """Make an API key of a user: its row in the caller's transaction, its text in the answer.

    Raises:
        UnavailableError: `auth.no_signing_key`.
    """
    token_id, expires_at = new_id(), clock.now() + life
    await repository.add_token(
        session,
        subject.organization_id,
        token_id=token_id,
        kind="api_key",
        name=subject.name,
        expires_at=expires_at,
        user_id=user_id,
    )
    token = await issuer.mint_api_key(subject, token_id=token_id, expires_at=expires_at)
    return NewKey(token_id, token, expires_at)


async def issue_pool_key(
    session: WriteSession,
    issuer: Issuer,
    subject: Subject,
    *,
    worker_queue_id: UUID,
    life: dt.timedelta = DEFAULT_KEY_LIFE,
) -> NewKey:
    """Make the key of a worker pool: it may register workers of this queue and report on its runs, nothing else.

    Raises:
        UnavailableError: `auth.no_signing_key`.
    """
    token_id, expires_at = new_id(), clock.now() + life
    await repository.add_token(
        session,
        subject.organization_id,
        token_id=token_id,
        kind="worker",
        name=subject.name,
        expires_at=expires_at,
        worker_queue_id=worker_queue_id,
    )
    token = await issuer.mint_api_key(subject, token_id=token_id, expires_at=expires_at)
    return NewKey(token_id, token, expires_at)


async def revoke(session: WriteSession, organization_id: UUID, token_id: UUID) -> None:
    """Revoke a key: from the commit on it is refused.

    Raises:
        NotFoundError: `token.not_found`.
    """
    if not await repository.revoke_token(session, organization_id, token_id, moment=clock.now()):
        raise missing("token")
