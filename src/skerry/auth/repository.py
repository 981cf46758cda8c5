"""SQL over tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from skerry.tables.organizations import organizations, users
from skerry.tables.tokens import tokens

if TYPE_CHECKING:
    import datetime as dt
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession, WriteSession

_HOLDER = (
    select(
        tokens.c.kind,
        tokens.c.name,
        tokens.c.worker_queue_id,
        tokens.c.expires_at,
        tokens.c.revoked_at,
        organizations.c.slug,
        organizations.c.name.label("organization_name"),
        organizations.c.status.label("organization_status"),
        users.c.id.label("user_id"),
        users.c.email,
        users.c.name.label("user_name"),
        users.c.roles,
        users.c.status.label("user_status"),
    )
    .join(organizations, organizations.c.organization_id == tokens.c.organization_id)
    .outerjoin(users, (users.c.organization_id == tokens.c.organization_id) & (users.c.id == tokens.c.user_id))
)


async def find_holder(session: ReadSession, organization_id: UUID, token_id: UUID) -> RowMapping | None:
    """Return a token with its organisation and user, None when there is no such token."""
    return await session.first(_HOLDER.where(tokens.c.organization_id == organization_id, tokens.c.id == token_id))


async def add_token(  # noqa: PLR0913  one argument a column
    session: WriteSession,
    organization_id: UUID,
    *,
    token_id: UUID,
    kind: str,
    name: str,
    expires_at: dt.datetime,
    user_id: UUID | None = None,
    worker_queue_id: UUID | None = None,
) -> None:
    """Store a token's row."""
    await session.execute(
        insert(tokens).values(
            organization_id=organization_id,
            id=token_id,
            kind=kind,
            name=name,
            expires_at=expires_at,
            user_id=user_id,
            worker_queue_id=worker_queue_id,
        )
    )


async def revoke_token(session: WriteSession, organization_id: UUID, token_id: UUID, *, moment: dt.datetime) -> bool:
    """Mark a token as revoked; False when there is none that was not."""
    statement = (
        update(tokens)
        .where(tokens.c.organization_id == organization_id, tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
        .values(revoked_at=moment)
    )
    return await session.execute(statement) == 1
