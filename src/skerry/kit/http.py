"""Manners of every HTTP answer: a request id, a limit on bodies, which are read to their end, headers, one access line.

Contract: plain ASGI middlewares, so that streams pass through untouched. `Parts` is how a room's endpoint finds what
app.py built.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from skerry.base import clock
from skerry.base.errors import SkerryError
from skerry.kit import logs
from skerry.kit.ids import new_id
from skerry.kit.problems import respond, unforeseen

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("skerry.access")

T = TypeVar("T")

BODY_LIMIT_BYTES: Final = 1 << 20
REST_LIMIT_BYTES: Final = 257 << 20
"""Read and thrown away at most: a little more than what the edge lets through (appliance/config/edge/Caddyfile)."""
REST_S: Final = 60.0
REQUEST_ID_SHAPE: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
CACHE_HEADER: Final = (b"cache-control", b"no-store")


class Parts:
    """What app.py built, by type: Settings, Database, Issuer, Opa, and whatever a room adds."""

    def __init__(self) -> None:
        self._parts: dict[type, object] = {}

    def add(self, part: object, *, kind: type | None = None) -> None:
        """Put a part in, under its own type or `kind` (a Protocol it fulfils)."""
        self._parts[kind or type(part)] = part

    def get(self, kind: type[T]) -> T:
        """Return the part of that type; KeyError when app.py never built one."""
        return self._parts[kind]  # type: ignore[return-value]


def part(connection: HTTPConnection, kind: type[T]) -> T:
    """Return the part of type `kind` that serves this connection."""
    parts: Parts = connection.app.state.parts
    return parts.get(kind)


class RequestContext:
    """Gives each request an id (the client's, when it is well formed), binds it to the log, writes the access line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = _header(scope, b"x-request-id")
        request_id = given.decode() if given and REQUEST_ID_SHAPE.fullmatch(given) else str(new_id())
        start, status = clock.monotonic(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _complete(message["headers"], request_id)
            await send(message)

        with logs.correlate(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception:
                log.exception("an unforeseen failure")
                if status:
                    raise  # the answer has begun: all that is left is to break it off
                await unforeseen()(scope, receive, send_with_id)
            finally:
                milliseconds = round((clock.monotonic() - start) * 1000, 1)
                extra = {"method": scope["method"], "path": scope["path"], "status": status, "ms": milliseconds}
                log.info("request", extra=extra)


class WholeBody:
    """Reads what is left of a body before an answer to its request goes out. Put it outside of everything.

    A server that answers without reading closes the connection on whoever still sends: the edge may fail at sending,
    never look at the answer, and tell its client 502. Source: RFC 9112, section 9.6, of what a reset takes away.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        more = True

        async def watched() -> Message:
            nonlocal more
            message = await receive()
            more = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def send_after(message: Message) -> None:
            if more and message["type"] == "http.response.start":
                await _read_rest(watched, lambda: more)
            await send(message)

        await self._app(scope, watched, send_after)


async def _read_rest(receive: Receive, more: Callable[[], bool]) -> None:
    received = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(REST_S):
            while more() and received <= REST_LIMIT_BYTES:
                received += len((await receive()).get("body", b""))


class BodyLimit:
    """Refuses a request body over a limit: by its Content-Length at once, else when the bytes have come.

    A room with larger bodies names its paths (`prefix -> bytes`); the longest prefix that fits decides.
    """

    def __init__(self, app: ASGIApp, *, larger: dict[str, int] | None = None) -> None:
        self._app = app
        self._larger = sorted((larger or {}).items(), key=lambda item: -len(item[0]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = next((size for prefix, size in self._larger if scope["path"].startswith(prefix)), BODY_LIMIT_BYTES)
        declared = _header(scope, b"content-length")
        if declared is not None and declared.isdigit() and int(declared) > limit:
            await respond(_too_large(limit))(scope, receive, send)
            return
        received, begun = 0, False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    raise _too_large(limit)
            return message

        async def send_unless_over(message: Message) -> None:
            # Whoever read the body may take the end of it for another fault (FastAPI: 400), and that is not said.
            nonlocal begun
            begun = begun or received <= limit
            if begun:
                await send(message)

        with suppress(_TooLargeError):  # from what reads before the application does
            await self._app(scope, counted, send_unless_over)
        if received > limit and not begun:
            await respond(_too_large(limit))(scope, receive, send)


class _TooLargeError(SkerryError):
    status = 413


def _too_large(limit: int) -> _TooLargeError:
    return _TooLargeError("request.too_large", f"the body has more than {limit} bytes", "send less")


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)


def _has_body(scope: Scope) -> bool:
    return _header(scope, b"transfer-encoding") is not None or _header(scope, b"content-length") not in {None, b"0"}


def _complete(headers: Any, request_id: str) -> list[tuple[bytes, bytes]]:
    complete = [*headers, *SECURITY_HEADERS, (b"x-request-id", request_id.encode())]
    if not any(key.lower() == CACHE_HEADER[0] for key, _ in headers):
        complete.append(CACHE_HEADER)
    return complete
