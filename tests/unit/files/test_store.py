"""What the API and the job `storage` make of a store that has nothing, refuses, or does not answer."""

from __future__ import annotations

import http.server
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from obstore.store import MemoryStore

from skerry.base.errors import NotFoundError, UnavailableError
from skerry.files import setup
from skerry.files.store import ObjectStore
from skerry.kit.settings import Place, Settings, read_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOBODY = Place("127.0.0.1", 9)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("minio-api", "minio-root-password"):
        (tmp_path / name).write_text("0123456789abcdef")
    return Settings(secrets=read_secrets(tmp_path), s3=NOBODY)


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers like a store whose root has another password."""

    def do_HEAD(self) -> None:
        self.send_response(403)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[Place]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Place("127.0.0.1", server.server_port)
        server.shutdown()
        thread.join()


async def test_bytes_that_are_missing(settings: Settings) -> None:
    store = ObjectStore(settings)
    store._store = MemoryStore()  # type: ignore[assignment]  # noqa: SLF001  a real store of obstore's, which is empty
    with pytest.raises(NotFoundError) as caught:
        await store.open("acme/files/1")
    assert caught.value.code == "storage.no_object"


async def test_a_store_that_does_not_answer(settings: Settings) -> None:
    with pytest.raises(UnavailableError) as caught:
        await ObjectStore(settings).open("acme/files/1")
    assert caught.value.code == "storage.unavailable"


def test_a_store_that_refuses_the_job(settings: Settings, refusing: Place) -> None:
    with pytest.raises(UnavailableError) as caught:
        setup.set_up(replace(settings, s3=refusing), say=lambda _: None)
    assert caught.value.code == "storage.refused"
