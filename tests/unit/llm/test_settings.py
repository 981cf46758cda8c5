"""What the model door is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skerry.base.errors import PreconditionError
from skerry.llm.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path


def told(folder: Path, **more: str) -> dict[str, str]:
    (folder / "litellm-master-key").write_text("sk-planted\n")
    return {"SKERRY_SECRETS_DIR": str(folder), **more}


def test_the_graph_names_the_defaults(tmp_path: Path) -> None:
    settings = read_settings(told(tmp_path))
    assert settings.jwks_url == "http://api:8000/.well-known/jwks.json"
    assert settings.ollama_url == "http://ollama:11434"
    assert (settings.host, settings.port) == ("0.0.0.0", 4000)  # noqa: S104  what it is
    assert settings.master_key == "sk-planted"


def test_addresses_can_be_given(tmp_path: Path) -> None:
    given = told(tmp_path, SKERRY_API_URL="http://a:1/", SKERRY_OLLAMA_URL="http://b:2/", SKERRY_LISTEN="127.0.0.1:3")
    settings = read_settings(given)
    assert settings.jwks_url == "http://a:1/.well-known/jwks.json"
    assert settings.ollama_url == "http://b:2"
    assert (settings.host, settings.port) == ("127.0.0.1", 3)


def test_a_master_key_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError) as caught:
        read_settings({"SKERRY_SECRETS_DIR": str(tmp_path)})
    assert caught.value.code == "llm.no_master_key"


@pytest.mark.parametrize("listen", ["4000", "host:", "host:port"])
def test_an_address_to_listen_on_is_one(tmp_path: Path, listen: str) -> None:
    with pytest.raises(PreconditionError) as caught:
        read_settings(told(tmp_path, SKERRY_LISTEN=listen))
    assert caught.value.code == "llm.setting"
