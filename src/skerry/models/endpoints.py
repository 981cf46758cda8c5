"""GET /api/v1/models, /default and one model."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from skerry.authz.guard import Caller, guard
from skerry.kit.http import part
from skerry.kit.ids import missing
from skerry.models.catalog import Catalog
from skerry.models.schemas import LLMModelResponse

router = APIRouter(prefix="/api/v1/models", tags=["models"])

Reader = Annotated[Caller, Depends(guard("models:read"))]


@router.get("")
async def list_models(
    request: Request,
    _caller: Reader,
    provider: str | None = None,
    skip: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[LLMModelResponse]:
    """The models of this site, in the order of its catalogue."""
    catalog = part(request, Catalog)
    chosen = [model for model in catalog.models if provider in {None, model.provider}]
    return [LLMModelResponse.of(model, catalog) for model in chosen[skip : skip + limit]]


@router.get("/default")
async def get_default_model(request: Request, _caller: Reader) -> LLMModelResponse:
    """The model of agents that name none."""
    catalog = part(request, Catalog)
    if catalog.default is None:
        raise missing("model")
    return LLMModelResponse.of(catalog.default, catalog)


@router.get("/{model_id:path}")
async def get_model(model_id: str, request: Request, _caller: Reader) -> LLMModelResponse:
    """One model by its id, which holds a slash."""
    catalog = part(request, Catalog)
    found = catalog.find(model_id)
    if found is None:
        raise missing("model")
    return LLMModelResponse.of(found, catalog)
