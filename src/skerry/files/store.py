"""The object store as the API uses it: streams in, streams out, one prefix an organisation.

Contract: keys are `<organisation's UUID>/<file's UUID>`, so that one listing or one policy covers a tenant. Bytes are
never held whole: uploads go as parts of PART_BYTES while they are being received.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from skerry.base.errors import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from skerry.kit.settings import Settings

PART_BYTES: Final = 5 * 1024 * 1024
PARTS_AT_ONCE: Final = 2
"""Parts of one upload under way: what an upload holds in memory is this times PART_BYTES."""
READ_BYTES: Final = 1 << 18
ACCESS_KEY: Final = "skerry-api"
REGION: Final = "us-east-1"
CONNECT_DEADLINE: Final = timedelta(seconds=3)
SILENCE_DEADLINE: Final = timedelta(seconds=20)
REQUEST_DEADLINE: Final = timedelta(minutes=30)
"""One request may carry a whole file."""


class ObjectStore:
    """The product's bucket."""

    def __init__(self, settings: Settings) -> None:
        """Make a client of the bucket; nothing connects before the first use. The secret is `minio-api`."""
        self._store = S3Store(
            settings.s3_bucket,
            config={
                "endpoint": f"http://{settings.s3}",
                "region": REGION,
                "access_key_id": ACCESS_KEY,
                "secret_access_key": settings.secrets.text("minio-api"),
                "virtual_hosted_style_request": False,
            },
            client_options={
                "allow_http": True,
                "connect_timeout": CONNECT_DEADLINE,
                "read_timeout": SILENCE_DEADLINE,
                "timeout": REQUEST_DEADLINE,
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=10)},
        )

    async def put(self, key: str, content: AsyncIterator[bytes]) -> None:
        """Store what `content` yields under `key`; nothing is there until all of it is.

        Raises:
            UnavailableError: `storage.unavailable`; what `content` raises comes through.
        """
        source = Source(content)
        try:
            await obstore.put_async(
                self._store, key, source, use_multipart=True, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
            )
        except BaseException as error:
            if source.failure is not None:
                raise source.failure from error
            if isinstance(error, BaseError | OSError):
                raise _unavailable() from error
            raise

    async def open(self, key: str) -> AsyncIterator[bytes]:
        """Return the bytes under `key` as they come.

        Raises:
            NotFoundError: `storage.no_object`.
            UnavailableError: `storage.unavailable`.
        """
        try:
            found = await obstore.get_async(self._store, key)
        except FileNotFoundError as error:
            raise NotFoundError("storage.no_object", "the file's bytes are missing", "restore them") from error
        except (BaseError, OSError) as error:
            raise _unavailable() from error
        return _read(found)

    async def delete(self, key: str) -> None:
        """Delete what is under `key`, if anything.

        Raises:
            UnavailableError: `storage.unavailable`.
        """
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise _unavailable() from error


async def _read(found: obstore.GetResult) -> AsyncIterator[bytes]:
    try:
        async for part in found.stream(min_chunk_size=READ_BYTES):
            yield bytes(part)
    except (BaseError, OSError) as error:
        raise _unavailable() from error


class Source:
    """Hands an iterator on and keeps what it raised, which the store would report as a failure of its own."""

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self._content = content
        self.failure: BaseException | None = None

    def __aiter__(self) -> Source:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._content)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self.failure = error
            raise


def object_key(organization_id: UUID, file_id: UUID) -> str:
    """Return where an upload's bytes lie."""
    return f"{organization_id}/files/{file_id}"


def _unavailable() -> UnavailableError:
    return UnavailableError("storage.unavailable", "the object store does not answer", "try again")
