"""Whether the model server answers and holds the models of the catalogue, asked from where LiteLLM stands.

Contract: asks for the list of models only, never for an answer of a model, so that a check costs no model any work. One
answer serves everybody for CACHE_S.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from skerry.base import clock

if TYPE_CHECKING:
    from skerry.base.catalog import Model

# Below the deadline of the API's own check, so that it is this server that is named, and not LiteLLM.
DEADLINE_S = 1.0
CACHE_S = 0.2
LATEST = ":latest"  # what Ollama adds to a name without a tag


@dataclass
class ModelHealth:
    """The model server's state, asked at most once in CACHE_S."""

    client: httpx.AsyncClient
    base_url: str
    models: tuple[Model, ...]
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _answer: dict[str, Any] = field(default_factory=dict)
    _asked: float = float("-inf")

    async def report(self) -> dict[str, Any]:
        """Return `{"status": "healthy" | "unhealthy", "reason": str, "models": [{"id": str, "healthy": bool}]}`."""
        async with self._lock:
            if clock.monotonic() - self._asked >= CACHE_S:
                self._answer = await self._ask()
                self._asked = clock.monotonic()
            return self._answer

    async def _ask(self) -> dict[str, Any]:
        held: set[str] = set()
        reason = ""
        try:
            async with asyncio.timeout(DEADLINE_S):
                response = await self.client.get(f"{self.base_url}/v1/models")
            held = {str(entry["id"]) for entry in response.raise_for_status().json()["data"] or []}
        except TimeoutError:
            reason = f"the model server did not answer within {DEADLINE_S} s"
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            reason = f"the model server does not answer: {type(error).__name__}"
        models = [
            {"id": one.id, "healthy": bool(held & {one.ollama_name, one.ollama_name + LATEST})} for one in self.models
        ]
        missing = [one["id"] for one in models if not one["healthy"]]
        if not reason and missing:
            reason = f"the model server does not hold {', '.join(map(str, missing))}"
        return {"status": "unhealthy" if reason else "healthy", "reason": reason, "models": models}
