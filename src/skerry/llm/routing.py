"""LiteLLM's configuration from the catalogue of models: which id goes to which model server, and nothing else.

Contract: pure. The result is JSON, which is YAML too. It holds no secret: the master key comes from the environment
that `serve` sets. Agents name a model by its id; hosts stand here only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from skerry.base.catalog import CHAT, EMBEDDING, read_models

if TYPE_CHECKING:
    from pathlib import Path

    from skerry.base.catalog import Model

MASTER_KEY_VARIABLE: Final = "LITELLM_MASTER_KEY"
AUTH_HOOK: Final = "skerry.llm.proxy.user_api_key_auth"
CALLBACKS: Final = ("skerry.llm.proxy.usage_log",)
MODES: Final = {CHAT: "chat", EMBEDDING: "embedding"}  # the catalogue's word for a task -> LiteLLM's
CALL_DEADLINE_S = 600  # a long answer on a slow CPU; the caller's own deadline is usually shorter


def render_config(catalog: Path, *, ollama_base_url: str) -> str:
    """Return LiteLLM's configuration file.

    Args:
        catalog: models/catalog.toml.
        ollama_base_url: the model server's address without a path, e.g. `http://ollama:11434`.

    Raises:
        InvalidInputError: `model.catalog`.

    Source: LiteLLM's documentation of config.yaml (model_list, litellm_settings, router_settings, general_settings).
    """
    models = read_models(catalog)
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
        "model_info": {"mode": MODES[model.task], "max_input_tokens": model.context_tokens},
    }
