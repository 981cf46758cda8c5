"""Shapes of models on the wire (kubiya-contract, schemas.tsv: LLMModelResponse)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict

from skerry.base import clock

if TYPE_CHECKING:
    from skerry.base.catalog import Model
    from skerry.models.catalog import Catalog

TYPES: Final = {"chat": "text-generation"}


class LLMModelResponse(BaseModel):
    """A model as clients read it; `value` is what an agent's `model_id` says."""

    model_config = ConfigDict(protected_namespaces=())

    id: str
    value: str
    label: str
    provider: str
    model_type: str
    logo: str | None
    description: str | None
    enabled: bool
    recommended: bool
    compatible_runtimes: list[str]
    capabilities: dict[str, Any]
    pricing: dict[str, Any] | None
    display_order: int
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, model: Model, catalog: Catalog) -> LLMModelResponse:
        """Return the model's shape; its times are the catalogue's."""
        written = clock.rfc3339(catalog.written_at)
        return cls(
            id=model.id,
            value=model.id,
            label=model.label,
            provider=model.provider,
            model_type=TYPES.get(model.task, model.task),
            logo=None,
            description=model.description,
            enabled=True,
            recommended=model == catalog.default,
            compatible_runtimes=["default"],
            capabilities={
                "context_tokens": model.context_tokens,
                "tool_calls": model.tool_calls,
                "family": model.family,
                "licence": model.licence,
                **model.capabilities,
            },
            pricing=None,
            display_order=catalog.models.index(model),
            created_at=written,
            updated_at=written,
        )
