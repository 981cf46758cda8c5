"""LiteLLM's application behind our gate. Importing this imports litellm: `serve` sets its switches before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from litellm.proxy.proxy_server import app

from skerry.base.catalog import read_models
from skerry.llm import proxy, tokens
from skerry.llm.gate import Gate
from skerry.llm.health import ModelHealth

if TYPE_CHECKING:
    from skerry.llm.settings import Settings


def create(settings: Settings) -> Gate:
    """Return the application to serve.

    Raises:
        InvalidInputError: `model.catalog`.
    """
    # Proxies of the environment are never asked: both addresses are neighbours.
    client = httpx.AsyncClient(trust_env=False, follow_redirects=False)
    keys = tokens.KeySet(tokens.fetch_from(settings.jwks_url, client))
    setattr(app.state, proxy.STATE, keys)
    models = read_models(settings.catalog)
    health = ModelHealth(client, settings.ollama_url, models)
    return Gate(app, keys=keys, health=health, models=models)
