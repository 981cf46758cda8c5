"""The gate in front of an application that says what reached it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tests.unit.llm.test_tokens import KEY, Api, jwk, mint

from skerry.base.catalog import Model
from skerry.llm import gate
from skerry.llm.fields import FIELDS
from skerry.llm.gate import Gate
from skerry.llm.health import ModelHealth

SMOKE = Model(
    id="skerry/smoke",
    ollama_name="skerry-smoke",
    family="smoke",
    task="chat",
    file="smoke.gguf",
    modelfile="Modelfile",
    sha256="0" * 64,
    licence="Apache-2.0",
    context_tokens=2048,
    memory_mib=64,
    tool_calls=None,
)
EMBED = replace(SMOKE, id="skerry/embed", family="minilm", task="embedding")
OTHER = replace(EMBED, id="other/embed", family="other")
CHAT = {"model": "skerry/smoke", "messages": [{"role": "user", "content": "hello"}]}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what arrived."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    seen = {
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "headers": {name.decode(): value.decode() for name, value in scope["headers"]},
        "body": body.decode(),
    }
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


def upstream(names: list[str] | None) -> httpx.AsyncClient:
    """Return a client whose model server holds `names`, or is away."""

    def answer(request: httpx.Request) -> httpx.Response:
        if names is None:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, json={"object": "list", "data": [{"id": name} for name in names] or None})

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


def door(names: list[str] | None = None) -> httpx.AsyncClient:
    health = ModelHealth(upstream(names), "http://ollama:11434", (SMOKE,))
    application = Gate(echo, keys=Api(jwk(KEY, "one")).key_set(), health=health, models=(SMOKE, EMBED, OTHER))
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://litellm:4000")


def headers(**more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {mint()}", **{name.replace("_", "-"): value for name, value in more.items()}}


async def test_a_call_passes_whole() -> None:
    answer = await door().post("/v1/chat/completions", json=CHAT, headers=headers())
    assert answer.status_code == 200
    assert json.loads(answer.json()["body"]) == CHAT
    assert answer.json()["headers"]["content-length"] == str(len(answer.json()["body"]))


async def test_orders_in_headers_and_query_do_not_pass() -> None:
    sent = headers(x_litellm_timeout="1", x_litellm_num_retries="9", x_api_key="k", cookie="a=b", forwarded="for=x")
    answer = await door().post("/v1/chat/completions?model=other", json=CHAT, headers=sent)
    assert set(answer.json()["headers"]) <= {name.decode() for name in gate.HEADERS}
    assert answer.json()["query"] == ""


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/ui/"),
        ("GET", "/docs"),
        ("GET", "/health"),
        ("GET", "/health/readiness"),
        ("POST", "/key/generate"),
        ("POST", "/chat/completions"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/models"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models/../../key/info"),
        ("POST", "//v1/chat/completions"),
        ("OPTIONS", "/v1/models"),
    ],
)
async def test_there_are_no_other_routes(method: str, path: str) -> None:
    answer = await door().request(method, path, headers=headers())
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "llm.no_route"


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer sk-master", f"Bearer {mint(aud='temporal')}"]
)
async def test_without_a_good_token_nothing_passes(authorization: str | None) -> None:
    sent = {} if authorization is None else {"authorization": authorization}
    for method, path in gate.ROUTES:
        answer = await door().request(method, path, headers=sent, json=CHAT)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"].startswith("llm.")


async def test_a_token_elsewhere_than_in_its_header_counts_for_nothing() -> None:
    answer = await door().get("/v1/models", headers={"x-api-key": mint(), "api-key": mint()})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "field", ["api_base", "base_url", "mock_response", "num_retries", "fallbacks", "metadata", "user_config", "cache"]
)
async def test_orders_in_the_body_are_refused(field: str) -> None:
    answer = await door().post("/v1/chat/completions", json={**CHAT, field: "x"}, headers=headers())
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "llm.field"
    assert field in answer.json()["error"]["message"]


async def test_every_field_of_the_api_passes() -> None:
    answer = await door().post("/v1/chat/completions", json=dict.fromkeys(FIELDS, 1), headers=headers())
    assert answer.status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"'])
async def test_a_body_is_a_json_object(body: bytes) -> None:
    answer = await door().post("/v1/embeddings", content=body, headers=headers())
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "llm.body"


@pytest.mark.parametrize(
    ("model", "sent", "arrives"),
    [
        ("skerry/embed", "a=b", "a = b"),
        ("skerry/embed", ["a=b", "c"], ["a = b", "c"]),
        ("skerry/embed", [1, 2], [1, 2]),
        ("skerry/embed", None, None),
        ("other/embed", "a=b", "a=b"),
    ],
)
async def test_texts_reach_a_wordpiece_model_plain(model: str, sent: Any, arrives: Any) -> None:
    answer = await door().post("/v1/embeddings", json={"model": model, "input": sent}, headers=headers())
    assert json.loads(answer.json()["body"]) == {"model": model, "input": arrives}
    assert answer.json()["headers"]["content-length"] == str(len(answer.json()["body"]))


async def test_a_body_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_BYTES", 64)
    answer = await door().post("/v1/chat/completions", json=CHAT, headers=headers())
    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "llm.too_large"


async def test_alive_needs_no_token() -> None:
    answer = await door().get("/health/liveliness")
    assert (answer.status_code, answer.json()["path"]) == (200, "/health/liveliness")


@pytest.mark.parametrize(
    ("names", "status", "word"),
    [
        (["skerry-smoke:latest"], 200, ""),
        (["skerry-smoke", "more"], 200, ""),
        (["other"], 503, "skerry/smoke"),
        ([], 503, "skerry/smoke"),
        (None, 503, "does not answer"),
    ],
)
async def test_the_models_health_is_judged_by_what_the_server_holds(
    names: list[str] | None, status: int, word: str
) -> None:
    answer = await door(names).get("/health/models")
    assert answer.status_code == status
    assert word in answer.json()["reason"]
    assert answer.json()["models"] == [{"id": "skerry/smoke", "healthy": status == 200}]


async def test_a_websocket_is_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    application = Gate(echo, keys=Api().key_set(), health=ModelHealth(upstream([]), "http://ollama:11434", ()))
    await application({"type": "websocket", "path": "/v1/realtime"}, echo, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]
