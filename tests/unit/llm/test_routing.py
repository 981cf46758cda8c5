"""LiteLLM's configuration from a catalogue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.unit.base.test_catalog import CHAT, EMBEDDING

from skerry.base.errors import InvalidInputError
from skerry.llm.routing import render_config

if TYPE_CHECKING:
    from pathlib import Path


def catalogue(folder: Path, text: str) -> Path:
    file = folder / "catalog.toml"
    file.write_text(text)
    return file


def test_every_model_has_one_route(tmp_path: Path) -> None:
    config = json.loads(render_config(catalogue(tmp_path, CHAT + EMBEDDING), ollama_base_url="http://ollama:11434/"))
    routes = {route["model_name"]: route for route in config["model_list"]}
    assert set(routes) == {"a/chat", "a/embed"}
    assert routes["a/chat"]["litellm_params"]["model"] == "openai/a-chat"
    assert routes["a/chat"]["model_info"]["mode"] == "chat"
    assert routes["a/embed"]["model_info"] == {"mode": "embedding", "max_input_tokens": 4096}
    assert {route["litellm_params"]["api_base"] for route in routes.values()} == {"http://ollama:11434/v1"}


def test_nothing_is_tried_twice_kept_or_told(tmp_path: Path) -> None:
    config = json.loads(render_config(catalogue(tmp_path, CHAT), ollama_base_url="http://ollama:11434"))
    assert config["litellm_settings"]["num_retries"] == 0
    assert config["router_settings"]["num_retries"] == 0
    assert config["model_list"][0]["litellm_params"]["max_retries"] == 0
    assert config["litellm_settings"]["cache"] is False
    assert config["litellm_settings"]["telemetry"] is False
    assert config["litellm_settings"]["turn_off_message_logging"] is True


def test_the_configuration_holds_no_secret(tmp_path: Path) -> None:
    config = json.loads(render_config(catalogue(tmp_path, CHAT), ollama_base_url="http://ollama:11434"))
    assert config["general_settings"]["master_key"] == "os.environ/LITELLM_MASTER_KEY"


def test_the_same_catalogue_gives_the_same_bytes(tmp_path: Path) -> None:
    file = catalogue(tmp_path, CHAT + EMBEDDING)
    assert render_config(file, ollama_base_url="http://a") == render_config(file, ollama_base_url="http://a/")


def test_what_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        render_config(catalogue(tmp_path, CHAT + CHAT), ollama_base_url="http://ollama:11434")
    assert caught.value.code == "model.catalog"
