"""The models of a site as the API knows them: missing means none, the default is known."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.base.test_catalog import CHAT, EMBEDDING

from skerry.base.errors import InvalidInputError
from skerry.base.paths import find_checkout
from skerry.models.catalog import Catalog, read_catalog
from skerry.models.schemas import LLMModelResponse

SECOND = (
    CHAT.replace("a/chat", "a/better").replace("a-chat", "a-better").replace("chat/chat.gguf", "chat/better.gguf")
    + "default = true\n"
)


def catalog(folder: Path, text: str) -> Catalog:
    path = folder / "models.toml"
    path.write_text(text)
    return read_catalog(path)


def test_a_missing_file_is_a_site_without_models(tmp_path: Path) -> None:
    empty = read_catalog(tmp_path / "none.toml")
    assert empty.models == ()
    assert empty.default is None
    with pytest.raises(InvalidInputError) as caught:
        empty.resolve(None)
    assert caught.value.code == "model.none"


def test_the_first_chat_model_is_the_default_unless_one_says_so(tmp_path: Path) -> None:
    assert catalog(tmp_path, EMBEDDING + CHAT).resolve(None) == "a/chat"
    assert catalog(tmp_path, CHAT + SECOND).resolve(None) == "a/better"


@pytest.mark.parametrize("wanted", ["a/none", "a/embed", "", "A/CHAT"])
def test_what_cannot_chat_is_refused_with_what_can(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        catalog(tmp_path, CHAT + EMBEDDING).resolve(wanted)
    assert caught.value.code == "model.unknown"
    assert "a/chat" in caught.value.hint
    assert "a/embed" not in caught.value.hint


def test_a_damaged_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        catalog(tmp_path, CHAT.replace("4096", "'many'"))
    assert caught.value.code == "model.catalog"


def test_clients_see_what_a_model_can(tmp_path: Path) -> None:
    held = catalog(tmp_path, CHAT + EMBEDDING)
    chat, embedding = (LLMModelResponse.of(model, held) for model in held.models)
    assert (chat.model_type, chat.recommended, embedding.model_type) == ("text-generation", True, "embedding")
    assert chat.capabilities == {"context_tokens": 4096, "tool_calls": 0.95, "family": "a", "licence": "Apache-2.0"}
    assert embedding.capabilities["tool_calls"] is None


def test_the_product_s_own_catalogue_is_read() -> None:
    own = read_catalog(find_checkout(Path(__file__)).models / "catalog.toml")
    assert own.default is not None
