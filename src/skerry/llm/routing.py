"""LiteLLM's configuration from the catalogue of models: which id goes to which model server, and nothing else.

Contract: pure. The result is JSON, which is YAML too. It holds no secret: the master key comes from the environment
that `serve` sets. Agents name a model by its id; hosts stand here only.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skerry.base.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MASTER_KEY_VARIABLE: Final = "LITELLM_MASTER_KEY"
AUTH_HOOK: Final = "skerry.llm.proxy.user_api_key_auth"
CALLBACKS: Final = ("skerry.llm.proxy.usage_log",)
MODES: Final = {"chat": "chat", "embedding": "embedding"}
CALL_DEADLINE_S = 600  # a long answer on a slow CPU; the caller's own deadline is usually shorter
HINT = "see models/catalog.toml"


@dataclass(frozen=True)
class Model:
    """One entry of the catalogue, as far as routing needs it.

    Args:
        id: what agents ask for, e.g. `skerry/smoke`.
        ollama_name: what the model server calls it.
        mode: LiteLLM's word for its task.
        context_tokens: longest input and output together, in tokens.
    """

    id: str
    ollama_name: str
    mode: str
    context_tokens: int


def read_catalog(catalog: Path) -> tuple[Model, ...]:
    """Read the models of models/catalog.toml, in its order.

    Raises:
        InvalidInputError: `llm.catalog` for what is no catalogue, an id twice, or a task that is not routed.
    """
    try:
        entries = tomllib.loads(catalog.read_text())["model"]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise InvalidInputError("llm.catalog", f"{catalog} is no catalogue of models: {error}", HINT) from error
    if not isinstance(entries, list):
        raise InvalidInputError("llm.catalog", f"{catalog}: [[model]] is no list", HINT)
    models = tuple(_model(catalog, entry) for entry in entries)
    if len({model.id for model in models}) != len(models):
        raise InvalidInputError("llm.catalog", f"{catalog}: an id stands there twice", HINT)
    return models


def _model(catalog: Path, entry: Mapping[str, Any]) -> Model:
    try:
        return Model(str(entry["id"]), str(entry["ollama_name"]), MODES[entry["task"]], int(entry["context_tokens"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError("llm.catalog", f"{catalog}: {entry.get('id')!r}: {error!r}", HINT) from error


def render_config(catalog: Path, *, ollama_base_url: str) -> str:
    """Return LiteLLM's configuration file.

    Args:
        catalog: models/catalog.toml.
        ollama_base_url: the model server's address without a path, e.g. `http://ollama:11434`.

    Raises:
        InvalidInputError: `llm.catalog`.

    Source: LiteLLM's documentation of config.yaml (model_list, litellm_settings, router_settings, general_settings).
    """
    models = read_catalog(catalog)
    config = {
        "model_list": [_route(model, ollama_base_url.rstrip("/")) for model in models],
        "litellm_settings": {
            "callbacks": list(CALLBACKS),
            "num_retries": 0,  # Temporal owns retries
            "request_timeout": CALL_DEADLINE_S,
            "cache": False,
            "telemetry": False,
            "drop_params": False,
            "set_verbose": False,
            "suppress_debug_info": True,
            "disable_token_counter": True,  # the model server counts; a tokenizer of another vendor's only costs memory
            "turn_off_message_logging": True,
            "json_logs": True,
        },
        "router_settings": {
            "num_retries": 0,
            "disable_cooldowns": True,  # one server a model: there is no other to turn to while it rests
            "enable_pre_call_checks": False,
        },
        "general_settings": {
            "master_key": f"os.environ/{MASTER_KEY_VARIABLE}",
            "custom_auth": AUTH_HOOK,
            "always_include_stream_usage": True,
            "store_model_in_db": False,
            "disable_spend_logs": True,
            "infer_model_from_keys": False,
            "disable_budget_reservation": True,  # it would count every prompt's tokens for a budget there is none of
        },
    }
    return json.dumps(config, indent=2) + "\n"


def _route(model: Model, base: str) -> dict[str, Any]:
    return {
        "model_name": model.id,
        "litellm_params": {
            "model": f"openai/{model.ollama_name}",
            "api_base": f"{base}/v1",
            "api_key": "none",  # the model server has no authentication: its network is its door
            "max_retries": 0,
            "timeout": CALL_DEADLINE_S,
            "stream_timeout": CALL_DEADLINE_S,
            "input_cost_per_token": 0,
            "output_cost_per_token": 0,
        },
        "model_info": {"mode": model.mode, "max_input_tokens": model.context_tokens},
    }
