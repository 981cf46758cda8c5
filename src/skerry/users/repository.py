"""SQL over users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from skerry.tables.organizations import users

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession, WriteSession


async def add_user(  # noqa: PLR0913  one argument a column
    session: WriteSession,
    organization_id: UUID,
    *,
    user_id: UUID,
    email: str,
    name: str,
    password_hash: str,
    roles: Sequence[str],
) -> None:
    """Add a user."""
    await session.execute(
        insert(users).values(
            organization_id=organization_id,
            id=user_id,
            email=email,
            name=name,
            password_hash=password_hash,
            roles=list(roles),
        )
    )


async def find_by_email(session: ReadSession, organization_id: UUID, email: str) -> RowMapping | None:
    """Return a user by address, in any case of its letters."""
    return await session.first(
        select(users).where(users.c.organization_id == organization_id, func.lower(users.c.email) == email.lower())
    )
