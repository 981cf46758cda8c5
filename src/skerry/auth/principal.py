"""Who is calling, as every room sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from uuid import UUID

PrincipalKind = Literal["user", "worker"]


@dataclass(frozen=True)
class Principal:
    """A caller whose token was verified and is not revoked.

    `organization` is the slug of the wire, `organization_id` the UUID of everything inside. A worker has a queue
    and no user.
    """

    kind: PrincipalKind
    organization_id: UUID
    organization: str
    organization_name: str
    token_id: UUID
    name: str
    email: str | None = None
    user_id: UUID | None = None
    worker_queue_id: UUID | None = None
    roles: tuple[str, ...] = ()
