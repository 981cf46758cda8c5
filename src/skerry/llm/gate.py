"""What reaches LiteLLM at all: a closed set of routes and headers. Everything else is 404 before LiteLLM sees it.

Contract: LiteLLM serves some 800 routes (management, pages, pass-through to other providers), several of them open, and
takes orders from headers (`x-litellm-*`). The product calls five routes. A new one is added here, with its reason.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from skerry.llm.health import ModelHealth

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MODELS_HEALTH: Final = ("GET", "/health/models")  # ours: judged here, open, names models but no caller
ROUTES: Final = frozenset(
    {
        ("GET", "/health/liveliness"),  # LiteLLM's own, open: the process answers
        ("GET", "/v1/models"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/embeddings"),
    }
)
HEADERS: Final = frozenset(
    {
        b"accept",
        b"authorization",
        b"connection",
        b"content-length",
        b"content-type",
        b"host",
        b"transfer-encoding",
        b"user-agent",
    }
)


class Gate:
    """An ASGI application in front of another."""

    def __init__(self, inner: Application, health: ModelHealth) -> None:
        self._inner = inner
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a known route on without foreign headers; answer the rest here."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif (route := (scope["method"], scope["path"])) == MODELS_HEALTH:
            report = await self._health.report()
            await _answer(send, 200 if report["status"] == "healthy" else 503, report)
        elif route in ROUTES:
            headers = [(name, value) for name, value in scope["headers"] if name.lower() in HEADERS]
            await self._inner({**scope, "headers": headers}, receive, send)
        else:
            error = {"message": "there is no such route", "type": "not_found", "param": None, "code": "404"}
            await _answer(send, 404, {"error": error})


async def _answer(send: Send, status: int, body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
