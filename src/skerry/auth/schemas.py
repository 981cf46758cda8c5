"""Shapes of auth on the wire (kubiya-contract, section 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from skerry.auth.principal import Principal


class Validated(BaseModel):
    """`id`, `name` and `slug` are the organisation's; on the wire its id is its slug."""

    id: str
    name: str
    slug: str
    user_id: str | None
    user_email: str | None
    user_name: str | None
    user_avatar: str | None
    user_status: str | None
    user_groups: list[str]
    user_group_names: list[str]

    @classmethod
    def of(cls, principal: Principal) -> Validated:
        return cls(
            id=principal.organization,
            name=principal.organization_name,
            slug=principal.organization,
            user_id=str(principal.user_id) if principal.user_id else None,
            user_email=principal.email,
            user_name=principal.name,
            user_avatar=None,
            user_status="active",
            user_groups=list(principal.roles),
            user_group_names=list(principal.roles),
        )
