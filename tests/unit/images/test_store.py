"""The store: what is in it has the bytes its name says."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from skerry.base.errors import IntegrityError, InvalidInputError, NotFoundError
from skerry.images.store import BLOB_MODE, Store

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"some bytes"
DIGEST = hashlib.sha256(DATA).hexdigest()


def put(store: Store, data: bytes = DATA, digest: str = DIGEST) -> Path:
    with store.incoming() as folder:
        (folder / "arrived").write_bytes(data)
        return store.put(folder / "arrived", digest)


def test_a_blob_lies_under_its_digest_and_cannot_be_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    place = put(store)
    assert place == tmp_path / "store/sha256" / DIGEST
    assert place.stat().st_mode & 0o777 == BLOB_MODE
    assert store.has(DIGEST)
    assert store.want(DIGEST, "a name").read_bytes() == DATA


def test_other_bytes_are_not_stored(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(IntegrityError) as raised:
        put(store, b"other bytes")
    assert raised.value.code == "images.blob_differs"
    assert not store.has(DIGEST)
    assert [place.name for place in store.root.parent.iterdir()] == []


def test_a_name_that_is_no_digest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as raised:
        Store(tmp_path).path("../../etc/passwd")
    assert raised.value.code == "images.digest"


def test_a_damaged_blob_is_found_and_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    place = put(store)
    place.chmod(0o644)
    place.write_bytes(b"flipped")
    with pytest.raises(IntegrityError) as raised:
        store.want(DIGEST, "a name")
    assert raised.value.code == "images.blob_damaged"
    with pytest.raises(NotFoundError) as missing:
        store.want(DIGEST, "a name")
    assert missing.value.code == "images.not_fetched"


def test_a_context_gets_the_very_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    place = put(store)
    linked = store.link(DIGEST, "part.deb", tmp_path / "context")
    assert linked.samefile(place)
    assert store.link(DIGEST, "part.deb", tmp_path / "context") == linked
