"""GET /.well-known/jwks.json and GET /api/v1/auth/validate."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from skerry.auth.guard import principal_from
from skerry.auth.keys import RELOAD_S, KeyRing
from skerry.auth.principal import Principal
from skerry.auth.schemas import Validated
from skerry.kit.http import part

router = APIRouter()

PrincipalDependency = Annotated[Principal, Depends(principal_from)]


@router.get("/.well-known/jwks.json", tags=["auth"])
async def get_jwks(request: Request, response: Response) -> dict[str, Any]:
    """The public keys of this site's tokens (RFC 7517)."""
    response.headers["cache-control"] = f"public, max-age={int(RELOAD_S)}"
    return await part(request, KeyRing).jwks()


@router.get("/api/v1/auth/validate", tags=["auth"])
async def validate(principal: PrincipalDependency) -> Validated:
    """Who the caller is: the organisation, and the user when it is one."""
    return Validated.of(principal)
