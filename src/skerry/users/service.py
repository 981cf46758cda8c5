"""Making and finding users."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from skerry.base.errors import InvalidInputError
from skerry.kit.ids import missing, new_id
from skerry.users import passwords, repository

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession, WriteSession

EMAIL_SHAPE: Final = re.compile(r"[^@\s\x00-\x1f]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
ADMIN_ROLES: Final = ("admin",)


def check_email(email: str) -> None:
    """Raise unless `email` looks like an address.

    Raises:
        InvalidInputError: `user.email`.
    """
    if not EMAIL_SHAPE.fullmatch(email):
        raise InvalidInputError("user.email", f"{email!r} is not an email address", "write name@example.org")


async def ensure_administrator(
    session: WriteSession, organization_id: UUID, *, email: str
) -> tuple[RowMapping, str | None]:
    """Return the user of `email`, made as administrator if it is missing, and the password it was then given.

    A user that is there already keeps its roles and password.

    Raises:
        InvalidInputError: `user.email`.
    """
    check_email(email)
    found = await repository.find_by_email(session, organization_id, email)
    if found is not None:
        return found, None
    password = passwords.make_password()
    await repository.add_user(
        session,
        organization_id,
        user_id=new_id(),
        email=email,
        name=email.partition("@")[0],
        password_hash=await passwords.hash_password(password),
        roles=ADMIN_ROLES,
    )
    return await get_by_email(session, organization_id, email), password


async def get_by_email(session: ReadSession, organization_id: UUID, email: str) -> RowMapping:
    """Return a user.

    Raises:
        NotFoundError: `user.not_found`.
    """
    row = await repository.find_by_email(session, organization_id, email)
    if row is None:
        raise missing("user")
    return row
