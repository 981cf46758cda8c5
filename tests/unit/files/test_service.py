"""Paths, tags, limits and digests of uploads."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, cast

import pytest

from skerry.base.errors import InvalidInputError
from skerry.files import service
from skerry.files.service import Intake, check_path, check_tree, describe
from skerry.files.store import Source
from skerry.kit.ids import new_id
from skerry.kit.multipart import UploadForm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from skerry.kit.db import WriteSession


async def several(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize(("path", "clean"), [("app.log", "app.log"), ("./a//b.txt", "a/b.txt"), ("größe", "größe")])
def test_paths(path: str, clean: str) -> None:
    assert check_path(path) == clean


@pytest.mark.parametrize("path", ["", ".", "./", "/a", "../a", "a/../b", "a\0", "a\nb", "a\\b", "x" * 2000, " "])
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_path(path)
    assert caught.value.code == "file.bad_path"


async def test_bytes_are_counted_and_hashed() -> None:
    intake = Intake(several(b"ab", b"c"))
    assert [piece async for piece in intake.stream()] == [b"ab", b"c"]
    assert (intake.size, intake.sha256) == (3, hashlib.sha256(b"abc").hexdigest())


async def test_too_many_bytes_stop_the_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "UPLOAD_LIMIT_BYTES", 4)
    with pytest.raises(InvalidInputError) as caught:
        [piece async for piece in Intake(several(b"abc", b"de")).stream()]
    assert caught.value.code == "file.too_large"


def form_of(name: str, kind: str = "text/plain") -> UploadForm:
    form = UploadForm("multipart/form-data; boundary=x", several())
    form.file_name, form.file_type = name, kind
    return form


def test_a_file_is_described_by_its_form() -> None:
    assert describe(form_of("app.log"), {"file_path": "logs/app.log", "tags": "a, b,,"}) == {
        "file_path": "logs/app.log",
        "file_name": "app.log",
        "content_type": "text/plain",
        "tags": ["a", "b"],
    }
    assert describe(form_of("app.log"), {})["file_path"] == "app.log"


@pytest.mark.parametrize("tags", [",".join("x" * 60), "a\0"])
def test_tags_that_are_refused(tags: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        describe(form_of("a"), {"tags": tags})
    assert caught.value.code == "file.bad_tags"


def test_files_that_lie_side_by_side() -> None:
    check_tree([])
    check_tree(["a", "b/c", "b/d"])


@pytest.mark.parametrize("paths", [["a", "a"], ["a", "a/b"], ["a/b/c", "a/b"]])
def test_files_that_want_one_place(paths: list[str]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_tree(paths)
    assert caught.value.code == "workspace.path_twice"


async def test_a_source_keeps_what_stopped_it() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise InvalidInputError("file.too_large", "")

    source = Source(broken())
    assert await anext(source) == b"a"
    with pytest.raises(InvalidInputError):
        await anext(source)
    assert isinstance(source.failure, InvalidInputError)


async def test_a_workspace_has_a_limit() -> None:
    ids = [str(new_id()) for _ in range(service.WORKSPACE_LIMIT_FILES + 1)]
    nobody = cast("WriteSession", None)  # refused before anything is asked
    with pytest.raises(InvalidInputError) as caught:
        await service.make_snapshot(nobody, new_id(), ids)
    assert caught.value.code == "workspace.too_many_files"
