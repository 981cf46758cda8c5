"""Forms with one large file: read piece by piece, whatever the pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skerry.base.errors import InvalidInputError
from skerry.kit.multipart import FIELD_LIMIT_BYTES, FIELDS_LIMIT, UploadForm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KIND = 'multipart/form-data; boundary="line"'


def part(name: str, data: bytes, *, file_name: str | None = None, kind: str = "") -> bytes:
    named = f'; filename="{file_name}"' if file_name is not None else ""
    head = f'--line\r\nContent-Disposition: form-data; name="{name}"{named}\r\n'
    return head.encode() + (f"Content-Type: {kind}\r\n".encode() if kind else b"") + b"\r\n" + data + b"\r\n"


END = b"--line--\r\n"


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(data: bytes, *, size: int = 1 << 16, kind: str = KIND) -> tuple[bytes, UploadForm]:
    form = UploadForm(kind, pieces(data, size))
    return b"".join([piece async for piece in form.content()]), form


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
async def test_fields_before_and_after_the_file(size: int) -> None:
    content = b"line one\r\n--line\r\nnot a boundary--line" + bytes(range(256))
    content = content.replace(b"\r\n--line", b"\r\n-line")
    body = part("file_path", b"logs/app.log")
    body += part("file", content, file_name="app.log", kind="text/plain") + part("tags", "größe".encode()) + END
    got, form = await read(body, size=size)
    assert got == content
    assert form.fields == {"file_path": "logs/app.log", "tags": "größe"}
    assert (form.file_name, form.file_type) == ("app.log", "text/plain")


async def test_an_empty_file() -> None:
    got, form = await read(part("file", b"", file_name="empty") + END)
    assert (got, form.file_name) == (b"", "empty")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (part("tags", b"x") + END, "upload.no_file"),
        (part("file", b"x", file_name="a"), "upload.malformed"),
        (part("file", b"x", file_name="a")[:-5], "upload.malformed"),
        (b"no form at all", "upload.malformed"),
        (b"", "upload.malformed"),
        (part("file", b"x", file_name="a") + part("file", b"y", file_name="b") + END, "upload.limits"),
        (part("tags", b"x" * (FIELD_LIMIT_BYTES + 1)) + END, "upload.limits"),
        (b"".join(part(f"f{n}", b"") for n in range(FIELDS_LIMIT + 1)) + END, "upload.limits"),
        (part("file", b"", file_name="x" * 9000) + END, "upload.malformed"),
    ],
)
async def test_what_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await read(body)
    assert caught.value.code == code


@pytest.mark.parametrize("kind", ["", "application/json", "multipart/form-data"])
async def test_what_is_no_form(kind: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await read(b"", kind=kind)
    assert caught.value.code == "upload.not_multipart"
