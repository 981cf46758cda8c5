"""The catalogue of models: read strictly, missing means none, the default is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from skerry.base.errors import InvalidInputError
from skerry.base.paths import find_checkout
from skerry.models.catalog import Catalog, read_catalog

CHAT = '[[model]]\nid = "a/chat"\ntask = "chat"\ncontext_tokens = 4096\n'
SECOND = '[[model]]\nid = "a/better"\ntask = "chat"\ncontext_tokens = 8192\ndefault = true\nlabel = "Better"\n'
EMBEDDING = '[[model]]\nid = "a/embed"\ntask = "embedding"\ncontext_tokens = 512\n'


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


def test_what_is_not_said_is_made_from_the_id(tmp_path: Path) -> None:
    first, second = catalog(tmp_path, CHAT + SECOND).models
    assert (first.label, first.provider) == ("a/chat", "a")
    assert second.label == "Better"


@pytest.mark.parametrize("wanted", ["a/none", "a/embed", "", "A/CHAT"])
def test_what_cannot_chat_is_refused_with_what_can(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        catalog(tmp_path, CHAT + EMBEDDING).resolve(wanted)
    assert caught.value.code == "model.unknown"
    assert "a/chat" in caught.value.hint
    assert "a/embed" not in caught.value.hint


@pytest.mark.parametrize(
    "text", ["[[model]]", "model = 1", "[[model]]\nid = 'x'", CHAT.replace("4096", "'many'"), "not toml"]
)
def test_a_damaged_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        catalog(tmp_path, text)
    assert caught.value.code == "model.catalog"


def test_the_product_s_own_catalogue_is_read() -> None:
    own = read_catalog(find_checkout(Path(__file__)).models / "catalog.toml")
    assert own.default is not None
