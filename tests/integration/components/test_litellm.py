"""LiteLLM as it is configured: a token of ours, a closed set of routes, models of the catalogue."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

QUESTION = {"model": "skerry/smoke", "messages": [{"role": "user", "content": "Read app.log."}], "max_tokens": 16}
ORGANIZATION = "0190c0de-0000-7000-8000-000000000001"


def ask(stack: Stack, method: str, path: str, *, token: str | None = None, json: Any = None) -> httpx.Response:
    """Return LiteLLM's answer to a request from where the API stands."""
    url = f"http://{stack.address('api', 'litellm')}:4000{path}"
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return stack.call_from(
        "api", lambda: httpx.request(method, url, headers=headers, json=json, timeout=60, trust_env=False)
    )


def token(stack: Stack, **claims: Any) -> str:
    whole = {
        "aud": "litellm",
        "organization": "test",
        "organization_uuid": ORGANIZATION,
        "name": "test",
        "kind": "worker",
        **claims,
    }
    return stack.mint(whole)


def test_a_model_answers_the_holder_of_a_token(stack: Stack) -> None:
    answer = ask(stack, "POST", "/v1/chat/completions", token=token(stack), json=QUESTION)
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["completion_tokens"] > 0


def test_the_catalogue_is_what_there_is(stack: Stack) -> None:
    answer = ask(stack, "GET", "/v1/models", token=token(stack))
    assert "skerry/smoke" in {model["id"] for model in answer.json()["data"]}
    unknown = ask(stack, "POST", "/v1/chat/completions", token=token(stack), json={**QUESTION, "model": "gpt-4o"})
    assert unknown.status_code in {400, 401, 403, 404}


def test_without_a_token_nobody_asks(stack: Stack) -> None:
    assert ask(stack, "POST", "/v1/chat/completions", json=QUESTION).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [{"aud": "skerry-api"}, {"aud": "temporal"}, {"aud": None}, {"exp": int(time.time()) - 120}, {"iss": "other"}],
)
def test_another_token_is_refused(stack: Stack, claims: dict[str, Any]) -> None:
    answer = ask(stack, "POST", "/v1/chat/completions", token=token(stack, **claims), json=QUESTION)
    assert answer.status_code == 401


def test_a_token_of_another_key_is_refused(stack: Stack) -> None:
    held = stack.mint({"aud": "litellm", "organization_uuid": ORGANIZATION, "organization": "test"}, own_key=True)
    assert ask(stack, "POST", "/v1/chat/completions", token=held, json=QUESTION).status_code == 401


@pytest.mark.parametrize("path", ["/key/generate", "/model/new", "/config/update", "/v1/files", "/ui", "/docs"])
def test_there_is_no_administration(stack: Stack, path: str) -> None:
    for held in (token(stack), stack.secret("litellm-master-key")):
        assert ask(stack, "POST", path, token=held, json={}).status_code in {401, 403, 404, 405}


def test_the_models_health_is_judged_here(stack: Stack) -> None:
    report = ask(stack, "GET", "/health/models").json()
    assert report["status"] == "healthy", report
