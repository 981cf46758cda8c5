"""SQL over organizations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from skerry.base import clock
from skerry.tables.organizations import organizations

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import ReadSession, WriteSession


async def add_organization(session: WriteSession, organization_id: UUID, *, slug: str, name: str) -> bool:
    """Add an organisation; False when the slug is taken. Needs a platform transaction."""
    statement = (
        insert(organizations)
        .values(organization_id=organization_id, slug=slug, name=name)
        .on_conflict_do_nothing(index_elements=["slug"])
    )
    return await session.execute(statement) == 1


async def find_by_slug(session: ReadSession, slug: str) -> RowMapping | None:
    """Return an organisation by its slug; a platform transaction sees all, a tenant's only its own."""
    return await session.first(select(organizations).where(organizations.c.slug == slug))


async def set_namespace_ready(session: WriteSession, organization_id: UUID) -> None:
    """Record that the organisation's Temporal namespace can be used."""
    await session.execute(
        update(organizations)
        .where(organizations.c.organization_id == organization_id, organizations.c.namespace_ready_at.is_(None))
        .values(namespace_ready_at=clock.now())
    )
