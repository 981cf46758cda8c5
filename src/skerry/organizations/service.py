"""Making and finding organisations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from skerry.base.errors import InvalidInputError, NotFoundError
from skerry.kit.ids import new_id
from skerry.organizations import repository

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession, WriteSession

SLUG_SHAPE: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check_slug(slug: str) -> None:
    """Raise unless `slug` can name an organisation on the wire: a DNS label, 1 to 63 characters.

    Raises:
        InvalidInputError: `organization.slug`.
    """
    if not SLUG_SHAPE.fullmatch(slug):
        raise InvalidInputError(
            "organization.slug",
            f"{slug!r} cannot be an organisation's slug",
            "use 1 to 63 lower-case letters, digits and inner hyphens",
        )


async def ensure(session: WriteSession, *, slug: str, name: str) -> tuple[RowMapping, bool]:
    """Return the organisation of `slug`, made if it is missing, and whether it was made. Needs a platform transaction.

    Raises:
        InvalidInputError: `organization.slug`.
    """
    check_slug(slug)
    made = await repository.add_organization(session, new_id(), slug=slug, name=name)
    return await get_by_slug(session, slug), made


async def get_by_slug(session: ReadSession, slug: str) -> RowMapping:
    """Return an organisation.

    Raises:
        NotFoundError: `organization.not_found`.
    """
    row = await repository.find_by_slug(session, slug)
    if row is None:
        raise NotFoundError(
            "organization.not_found", f"there is no organisation {slug!r}", "make it with `skerry bootstrap`"
        )
    return row


async def note_namespace(session: WriteSession, organization_id: UUID) -> None:
    """Note that the organisation's Temporal namespace can be used."""
    await repository.set_namespace_ready(session, organization_id)
