"""The model pack: the catalogue's files, a list that holds each to a digest, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.base.test_catalog import CHAT, EMBEDDING

from skerry.base.canonical import sha256_hex
from skerry.base.errors import SkerryError
from skerry.base.paths import Checkout, weights_file
from skerry.bundle.pack import LIST, pack_models

if TYPE_CHECKING:
    from pathlib import Path

CHAT_WEIGHTS, MADE_WEIGHTS = b"weights of the chat model", b"weights that were made"
DIGEST = "0123456789abcdef" * 4
PACKED = {"chat/chat.gguf", "chat/Modelfile", "embed/chat.gguf", "embed/Modelfile", LIST}


def make_models(root: Path, cache: Path) -> Checkout:
    """Write a catalogue of two models, one committed and one made, with their files."""
    checkout = Checkout(root)
    for folder in ("chat", "embed"):
        (checkout.models / folder).mkdir(parents=True)
        (checkout.models / folder / "Modelfile").write_text("FROM ./chat.gguf\n")
    (checkout.models / "chat/notes.py").write_text("")
    (checkout.models / "chat/chat.gguf").write_bytes(CHAT_WEIGHTS)
    made = weights_file(cache, sha256_hex(MADE_WEIGHTS))
    made.parent.mkdir(parents=True)
    made.write_bytes(MADE_WEIGHTS)
    chat = CHAT.replace(DIGEST, sha256_hex(CHAT_WEIGHTS))
    embedding = EMBEDDING.replace(DIGEST, sha256_hex(MADE_WEIGHTS)) + 'recipe = "some"\n'
    checkout.catalog.write_text(chat + embedding)
    return checkout


def test_a_pack_is_a_list_and_what_it_names(tmp_path: Path) -> None:
    files = pack_models(make_models(tmp_path, tmp_path / "cache"), tmp_path / "cache")
    assert files.keys() == PACKED
    listed = files[LIST]
    assert isinstance(listed, bytes)
    modelfile = sha256_hex(b"FROM ./chat.gguf\n")
    assert listed.decode().splitlines() == [
        f"a-chat\tchat/chat.gguf\t{sha256_hex(CHAT_WEIGHTS)}\tchat/Modelfile\t{modelfile}",
        f"a-embed\tembed/chat.gguf\t{sha256_hex(MADE_WEIGHTS)}\tembed/Modelfile\t{modelfile}",
    ]


def test_weights_that_are_not_made_yet_are_refused_with_what_to_do(tmp_path: Path) -> None:
    checkout = make_models(tmp_path, tmp_path / "cache")
    with pytest.raises(SkerryError) as caught:
        pack_models(checkout, tmp_path / "other")
    assert (caught.value.code, caught.value.hint) == ("models.not_made", "run: make models")


@pytest.mark.parametrize("committed", [True, False])
def test_weights_of_another_digest_are_refused(tmp_path: Path, *, committed: bool) -> None:
    checkout = make_models(tmp_path, tmp_path / "cache")
    made = weights_file(tmp_path / "cache", sha256_hex(MADE_WEIGHTS))
    (checkout.models / "chat/chat.gguf" if committed else made).write_bytes(b"other")
    with pytest.raises(SkerryError) as caught:
        pack_models(checkout, tmp_path / "cache")
    assert caught.value.code == "models.digest_differs"
