"""Outbox lines: what is to happen once, and because, a transaction commits.

Contract: `append` writes in the caller's tenant transaction. The dispatcher (role platform, purpose outbox) claims
due lines with SKIP LOCKED, delivers, and calls `settle` or `postpone`; a crash between delivery and settling
delivers again, so receivers treat a repeat as done. Payloads hold ids and digests, never prompts or secrets.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, select, update

from skerry.base import clock
from skerry.kit.ids import new_id
from skerry.tables.outbox import outbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.kit.db import WriteSession

BATCH: Final = 50
BACKOFF_FIRST_S: Final = 0.5
BACKOFF_LIMIT_S: Final = 60.0


async def append(
    session: WriteSession, organization_id: UUID, kind: str, payload: Mapping[str, str | int | bool | None]
) -> UUID:
    """Write a line and return its id; `kind` is `<room>.<what>`."""
    line_id = new_id()
    await session.execute(
        insert(outbox).values(organization_id=organization_id, id=line_id, kind=kind, payload=dict(payload))
    )
    return line_id


async def claim(session: WriteSession, *, limit: int = BATCH) -> Sequence[RowMapping]:
    """Return due lines of every organisation, oldest first, locked until the platform transaction ends."""
    return await session.all(
        select(outbox)
        .where(outbox.c.delivered_at.is_(None), outbox.c.due_at <= clock.now())
        .order_by(outbox.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


async def settle(session: WriteSession, organization_id: UUID, line_id: UUID) -> None:
    """Mark a line as delivered."""
    await session.execute(
        update(outbox)
        .where(outbox.c.organization_id == organization_id, outbox.c.id == line_id)
        .values(delivered_at=clock.now(), attempts=outbox.c.attempts + 1, last_error=None)
    )


async def postpone(session: WriteSession, line: RowMapping, *, code: str) -> None:
    """Have a line tried again, later each time (0.5 s, 1 s, ... 60 s); `code` is an error's stable code."""
    wait_s = min(BACKOFF_LIMIT_S, BACKOFF_FIRST_S * 2 ** min(line["attempts"], 16))
    await session.execute(
        update(outbox)
        .where(outbox.c.organization_id == line["organization_id"], outbox.c.id == line["id"])
        .values(due_at=clock.now() + dt.timedelta(seconds=wait_s), attempts=outbox.c.attempts + 1, last_error=code)
    )
