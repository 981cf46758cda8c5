"""Manners of every answer: ids, limits, headers, problem details."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from skerry.base.errors import ConflictError, NotFoundError, SkerryError, UnauthenticatedError, UnavailableError
from skerry.kit import http, logs, problems
from skerry.kit.bodies import StrictJson
from skerry.kit.http import BODY_LIMIT_BYTES, BodyLimit, Parts, RequestContext, WholeBody


class Body(BaseModel):
    password: int


ERRORS: dict[str, SkerryError] = {
    "missing": NotFoundError("agent.not_found", "there is no such agent", "check the id"),
    "nobody": UnauthenticatedError("auth.no_token", "no key was sent", "send one"),
    "stale": ConflictError("agent.changed", "somebody else was faster", "read it again"),
    "down": UnavailableError("database.unavailable", "the database does not answer", "try again"),
}


def make_app() -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.get("/raise/{name}")
    async def fail(name: str) -> None:
        raise ERRORS[name]

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError("the password is hunter2")

    @app.post("/large/refused")
    async def refuse() -> None:
        raise ERRORS["nobody"]

    @app.post("/body")
    async def body(body: Body) -> dict[str, int]:
        return {"password": body.password}

    @app.post("/bytes")
    @app.post("/large/bytes")
    async def count(request: Request) -> int:
        return len(await request.body())

    app.add_middleware(StrictJson)
    app.add_middleware(BodyLimit, larger={"/large/": 3 * BODY_LIMIT_BYTES})
    app.add_middleware(RequestContext)
    app.add_middleware(WholeBody)
    return app


def ask(method: str, path: str, **options: Any) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(make_app(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://skerry.test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(go())


def test_an_error_is_problem_details() -> None:
    answer = ask("GET", "/raise/missing", headers={"x-request-id": "abc-1"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:skerry:error:agent.not_found",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no such agent",
        "hint": "check the id",
        "code": "agent.not_found",
        "request_id": "abc-1",
    }


def test_a_401_has_the_body_stock_clients_read() -> None:
    answer = ask("GET", "/raise/nobody")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["detail"] == {"error": "Unauthorized", "message": "no key was sent", "hint": "send one"}


def test_a_503_says_when_to_try_again() -> None:
    answer = ask("GET", "/raise/down")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_bug_shows_nothing() -> None:
    answer = ask("GET", "/bug")
    assert (answer.status_code, answer.json()["code"]) == (500, "server.failed")
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "hunter2" not in answer.text


def test_an_invalid_body_is_named_without_its_value() -> None:
    answer = ask("POST", "/body", json={"password": "hunter2"})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert answer.json()["errors"][0]["loc"] == ["body", "password"]
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(("path", "method", "status"), [("/nowhere", "GET", 404), ("/body", "GET", 405)])
def test_the_router_s_own_errors_have_the_same_shape(path: str, method: str, status: int) -> None:
    answer = ask(method, path)
    assert answer.status_code == status
    assert answer.json()["code"].startswith("request.")


def test_every_answer_has_an_id_and_the_headers() -> None:
    answer = ask("GET", "/nowhere")
    assert len(answer.headers["x-request-id"]) == 36
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("given", ["a b", "x" * 65, "", "<script>", 'a"b'])
def test_a_strange_request_id_is_replaced(given: str) -> None:
    assert ask("GET", "/nowhere", headers={"x-request-id": given}).headers["x-request-id"] != given


def test_a_declared_body_over_the_limit_is_refused_unread() -> None:
    answer = ask("POST", "/bytes", content=b"x" * (BODY_LIMIT_BYTES + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")


def test_an_undeclared_body_over_the_limit_is_refused() -> None:
    async def pieces() -> Any:
        for _ in range(BODY_LIMIT_BYTES // 65536 + 1):
            yield b"x" * 65536

    for path, kind in (("/bytes", "text/plain"), ("/body", "application/json"), ("/body", "application/octet-stream")):
        answer = ask("POST", path, content=pieces(), headers={"content-type": kind})
        assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")


REFUSALS = [("/bytes", 413), ("/body", 413), ("/large/nowhere", 404), ("/large/refused", 401)]


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(("path", "status"), REFUSALS)
def test_a_refused_body_is_read_to_its_end_before_the_answer(path: str, status: int, *, declared: bool) -> None:
    """A server that does not read leaves the edge with a failure to send, which is a 502 to its client."""
    pieces, sent = 40, 0

    async def content() -> Any:
        nonlocal sent
        for _ in range(pieces):
            sent += 1
            yield bytes(65536)

    length = {"content-length": str(pieces * 65536)} if declared else {}
    kind = {"content-type": "application/json" if path == "/body" else "text/plain"}
    answer = ask("POST", path, content=content(), headers={**kind, **length})
    assert (answer.status_code, sent) == (status, pieces)


def test_a_body_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REST_S", 0.1)

    async def pieces() -> Any:
        while True:
            yield b"x" * 65536
            await asyncio.sleep(0.01)

    assert ask("POST", "/nowhere", content=pieces()).status_code == 404
    monkeypatch.setattr(http, "REST_S", 60.0)
    monkeypatch.setattr(http, "REST_LIMIT_BYTES", 10 * 65536)
    assert ask("POST", "/nowhere", content=pieces()).status_code == 404


def test_json_without_its_type_is_not_taken() -> None:
    assert ask("POST", "/body", content=b'{"password": 1}').status_code == 422
    assert ask("POST", "/body", content=b'{"password": 1, "password": 1}').status_code == 422


def test_a_room_may_take_larger_bodies() -> None:
    assert ask("POST", "/large/bytes", content=b"x" * (2 * BODY_LIMIT_BYTES)).json() == 2 * BODY_LIMIT_BYTES
    assert ask("POST", "/large/bytes", content=b"x" * (3 * BODY_LIMIT_BYTES + 1)).status_code == 413
    assert ask("POST", "/bytes", content=b"x" * BODY_LIMIT_BYTES).json() == BODY_LIMIT_BYTES


def test_parts_are_found_by_type() -> None:
    parts = Parts()
    parts.add("a text")
    parts.add(7, kind=float)
    assert parts.get(str) == "a text"
    assert parts.get(float) == 7
    with pytest.raises(KeyError):
        parts.get(bytes)


def test_a_log_line_is_json_with_the_bound_ids() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    logger = logging.getLogger("skerry.test")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    try:
        with logs.correlate(request_id="r1"):
            with logs.correlate(organization_id="o1"):
                logger.info("made %s", "it\nnow", extra={"status": 200})
            logger.info("after")
        try:
            int("bad")
        except ValueError:
            logger.exception("failed")
    finally:
        logger.removeHandler(handler)
    first, second, third = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["request_id"], first["organization_id"], first["status"]) == ("r1", "o1", 200)
    assert first["message"] == "made it\nnow"
    assert first["time"].endswith("Z")
    assert "organization_id" not in second
    assert "request_id" not in third
    assert "ValueError: invalid literal" in third["exception"]
