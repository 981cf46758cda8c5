"""JSON that comes in: read strictly, once, before any room sees it.

Contract: a body is UTF-8 without a byte order mark, nested at most DEPTH_LIMIT deep, names no key twice in one
object, and holds no NUL, no unpaired surrogate, no NaN or Infinity: what PostgreSQL cannot store, or two parsers
read differently, is refused at the door.

Source: RFC 8259, sections 4 and 8; RFC 7493 (I-JSON), section 2.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from skerry.base.errors import SkerryError
from skerry.kit.problems import respond

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEPTH_LIMIT: Final = 64
SUSPICIOUS: Final = re.compile(rb"\x00|\\u0000|\\u[dD][89a-fA-F]")
"""What makes a look at every string worth its time."""
BAD_CHARACTER: Final = re.compile("[\x00\ud800-\udfff]")


class BodyError(SkerryError):
    """A body that is not the JSON we take."""

    status = 422


def read_json(data: bytes) -> Any:
    """Return the value that `data` writes.

    Raises:
        BodyError: `request.json`, with what is wrong and never a part of the body.
    """
    try:
        value = json.loads(data.decode(), object_pairs_hook=_no_twins, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise _wrong("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _wrong(f"{error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise _wrong(f"it is nested more than {DEPTH_LIMIT} deep") from error
    if data.count(b"{") + data.count(b"[") > DEPTH_LIMIT or SUSPICIOUS.search(data):
        _look_through(value)
    return value


def _look_through(value: Any) -> None:
    """Look at every part, level by level."""
    level, depth = [value], 0
    while level:
        if depth > DEPTH_LIMIT:
            raise _wrong(f"it is nested more than {DEPTH_LIMIT} deep")
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                if BAD_CHARACTER.search(item):
                    raise _wrong("a text holds NUL or half of a surrogate pair")
            elif isinstance(item, dict):
                below += [*item.keys(), *item.values()]
            elif isinstance(item, list):
                below += item
        level, depth = below, depth + 1


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _wrong("an object names a key twice")
    return found


def _no_constant(name: str) -> Any:
    raise _wrong(f"{name} is no number")


def _wrong(what: str) -> BodyError:
    return BodyError("request.json", f"the body is not JSON as we take it: {what}", "see RFC 7493")


class StrictJson:
    """Reads a JSON body before the application does, and refuses a bad one. Put it inside BodyLimit."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not _is_json(scope):
            await self._app(scope, receive, send)
            return
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the client has gone
            body += message.get("body", b"")
            more = message.get("more_body", False)
        try:
            if body:
                read_json(bytes(body))
        except BodyError as error:
            await respond(error)(scope, receive, send)
            return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, again, send)


def _is_json(scope: Scope) -> bool:
    # Without a type FastAPI takes a body for bytes (strict_content_type), so it is none of ours.
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    essence = kind.split(b";")[0].strip().lower()
    return bool(essence == b"application/json" or essence.endswith(b"+json"))
