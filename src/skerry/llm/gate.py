"""What reaches LiteLLM at all: a closed set of routes, headers and fields, from callers with a good token.

Contract: LiteLLM serves hundreds of routes (management, pages, pass-through to other providers), several of them open,
takes orders from headers (`x-litellm-*`) and body fields, and answers some refusals with status 500. The product calls
five routes; everything else ends here, in the shape of an OpenAI error. A new route is added here, with its reason.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from skerry.base.errors import InvalidInputError, NotFoundError, SkerryError
from skerry.llm.fields import refuse_foreign_fields
from skerry.llm.texts import FAMILIES, plain_input
from skerry.llm.tokens import verify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from skerry.base.catalog import Model
    from skerry.llm.health import ModelHealth
    from skerry.llm.tokens import KeySet

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ALIVE: Final = ("GET", "/health/liveliness")  # LiteLLM's own, open: the process answers
MODELS_HEALTH: Final = ("GET", "/health/models")  # ours, open: names models, no caller
EMBEDDINGS: Final = ("POST", "/v1/embeddings")
ROUTES: Final = frozenset({("GET", "/v1/models"), ("POST", "/v1/chat/completions"), EMBEDDINGS})
HEADERS: Final = frozenset(
    {
        b"accept",
        b"authorization",
        b"connection",
        b"content-length",
        b"content-type",
        b"host",
        b"user-agent",
    }
)
BODY_BYTES = 8 << 20
HTTP_OK = 200
HTTP_TOO_LARGE = 413
POLICY_VIOLATION = 1008


class TooLargeError(SkerryError):
    """The body is longer than BODY_BYTES."""

    status = HTTP_TOO_LARGE


class Gate:
    """An ASGI application in front of another."""

    def __init__(
        self, inner: Application, *, keys: KeySet, health: ModelHealth, models: tuple[Model, ...] = ()
    ) -> None:
        self._inner = inner
        self._keys = keys
        self._health = health
        self._plain = frozenset(model.id for model in models if model.family in FAMILIES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is ours or refused; pass on the rest."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = (scope["method"], scope["path"])
        if route == MODELS_HEALTH:
            report = await self._health.report()
            await _answer(send, HTTP_OK if report["status"] == "healthy" else 503, report)
            return
        headers = {name.lower(): value for name, value in scope["headers"] if name.lower() in HEADERS}
        try:
            if route in ROUTES:
                await verify(bearer(headers), self._keys)
                receive = await _checked(route, headers, receive, plain=self._plain)
            elif route != ALIVE:
                raise NotFoundError("llm.no_route", "there is no such route", "see the user guide for what there is")
        except SkerryError as error:
            await _answer(send, error.status, error_body(error))
            return
        await self._inner({**scope, "headers": list(headers.items()), "query_string": b""}, receive, send)


def bearer(headers: Mapping[bytes, bytes]) -> str:
    """Return the token of an Authorization header; empty when there is none."""
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def error_body(error: SkerryError) -> dict[str, Any]:
    """Return a refusal in the OpenAI API's shape, our stable code as its type."""
    message = f"{error.message}: {error.hint}" if error.hint else error.message
    return {"error": {"message": message, "type": error.code, "param": None, "code": str(error.status)}}


async def _checked(
    route: tuple[str, str], headers: dict[bytes, bytes], receive: Receive, *, plain: frozenset[str]
) -> Receive:
    """Read a whole body, check it, and return a `receive` that gives it again.

    What is to be embedded by a model of `plain` is put into the form that its tokenizer should have made of it.
    """
    if route[0] != "POST":
        return receive
    body = await _read(receive)
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise InvalidInputError("llm.body", "the body is no JSON", "send a JSON object") from error
    if not isinstance(fields, dict):
        raise InvalidInputError("llm.body", "the body is no JSON object", "send a JSON object")
    refuse_foreign_fields(fields)
    if route == EMBEDDINGS and fields.get("model") in plain:
        body = json.dumps({**fields, "input": plain_input(fields.get("input"))}).encode()
    headers[b"content-length"] = str(len(body)).encode()
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()  # the disconnect, when it comes
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidInputError("llm.body", "the caller went away", "send the whole body")
        body += message.get("body", b"")
        if len(body) > BODY_BYTES:
            raise TooLargeError("llm.too_large", f"the body is over {BODY_BYTES >> 20} MiB", "send less in one call")
        if not message.get("more_body", False):
            return bytes(body)


async def _answer(send: Send, status: int, body: Mapping[str, Any]) -> None:
    data = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
