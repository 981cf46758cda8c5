"""Read a multipart form whose one file is too large to hold: fields first or last, the file as a stream.

Contract: the body is parsed while it arrives. `content` yields the bytes of the part named `file`; fields are
complete when it has ended. A second file, a field over FIELD_LIMIT_BYTES or more than FIELDS_LIMIT fields are
refused.
Source: RFC 7578; python-multipart's MultipartParser.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from skerry.base.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FIELD_LIMIT_BYTES: Final = 64 * 1024
FIELDS_LIMIT: Final = 32
HEADER_LIMIT_BYTES: Final = 8 * 1024


@dataclass
class _Part:
    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: str = ""
    data: bytearray = field(default_factory=bytearray)


class UploadForm:
    """A form with one file, on its way in."""

    def __init__(self, content_type: str, body: AsyncIterator[bytes], *, file_field: str = "file") -> None:
        """Take a request's content type and body.

        Raises:
            InvalidInputError: `upload.not_multipart`.
        """
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidInputError("upload.not_multipart", "the body is no multipart form", "send the field `file`")
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self.file_type = "application/octet-stream"
        self._body = body
        self._file_field = file_field
        self._part = _Part()
        self._header = (bytearray(), bytearray())
        self._pieces: list[bytes] = []
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_end": self._on_end,
            },
        )

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the file's bytes.

        Raises:
            InvalidInputError: `upload.malformed`, `upload.no_file`, `upload.limits`.
        """
        async for chunk in self._body:
            self._feed(chunk)
            pieces, self._pieces = self._pieces, []
            for piece in pieces:
                yield piece
        if not self._ended:
            raise InvalidInputError("upload.malformed", "the form breaks off", "send it whole")
        if self.file_name is None:
            raise InvalidInputError("upload.no_file", "the form has no file", "send the field `file`")

    def _feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise InvalidInputError("upload.malformed", "the form cannot be read", "send a multipart form") from error

    def _on_part_begin(self) -> None:
        self._part = _Part()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._grow(self._header[0], data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._grow(self._header[1], data[start:end])

    def _grow(self, text: bytearray, data: bytes) -> None:
        text += data
        if len(text) > HEADER_LIMIT_BYTES:
            raise InvalidInputError("upload.limits", "a part's header is too long", "shorten it")

    def _on_header_end(self) -> None:
        self._part.headers[bytes(self._header[0]).lower()] = bytes(self._header[1])
        self._header = (bytearray(), bytearray())

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._part.headers.get(b"content-disposition", b""))
        self._part.name = options.get(b"name", b"").decode(errors="replace")
        if self._part.name != self._file_field:
            if len(self.fields) >= FIELDS_LIMIT:
                raise InvalidInputError("upload.limits", "the form has too many fields", "send fewer")
            return
        if self.file_name is not None:
            raise InvalidInputError("upload.limits", "the form has a second file", "send one file a request")
        self.file_name = options.get(b"filename", b"").decode(errors="replace")
        if given := self._part.headers.get(b"content-type"):
            self.file_type = given.decode("latin-1")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part.name == self._file_field:
            self._pieces.append(data[start:end])
            return
        self._part.data += data[start:end]
        if len(self._part.data) > FIELD_LIMIT_BYTES:
            raise InvalidInputError("upload.limits", f"the field {self._part.name!r} is too long", "shorten it")

    def _on_part_end(self) -> None:
        if self._part.name != self._file_field:
            self.fields[self._part.name] = self._part.data.decode(errors="replace")

    def _on_end(self) -> None:
        self._ended = True
