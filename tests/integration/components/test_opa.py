"""OPA as it is configured: a question needs one token, everything else another, and its log holds no values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

DECISION = "/v1/data/skerry/tools/decision"
CANARY = "../canary-9b1f-in-an-argument"
QUESTION = {
    "input": {
        "organization": {"id": "0190c0de-0000-7000-8000-000000000001"},
        "execution": {"id": "0190c0de-0000-7000-8000-000000000002"},
        "agent": {"id": "0190c0de-0000-7000-8000-000000000003", "tools": ["read_file"]},
        "call": {"name": "read_file", "arguments": {"path": CANARY}},
    }
}


def ask(stack: Stack, method: str, path: str, *, token: str | None = None, json: Any = None) -> httpx.Response:
    """Return OPA's answer to a request from where the API stands."""
    headers = {"authorization": f"Bearer {token}"} if token is not None else {}

    def send() -> httpx.Response:
        base = f"http://{stack.address('api', 'opa')}:8181"
        return httpx.request(
            method, base + path, headers=headers, json=json, timeout=5, trust_env=False, follow_redirects=True
        )

    return stack.call_from("api", send)


def test_health_needs_no_token(stack: Stack) -> None:
    assert ask(stack, "GET", "/health").status_code == 200


def test_a_question_is_answered(stack: Stack) -> None:
    answer = ask(stack, "POST", DECISION, token=stack.secret("opa-token"), json=QUESTION)
    assert answer.status_code == 200
    result = answer.json()["result"]
    assert result["allow"] is False
    assert result["rule"] == "tools.path_outside_workspace"


@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_the_token_nothing_is_answered(stack: Stack, token: str | None) -> None:
    assert ask(stack, "POST", DECISION, token=token, json=QUESTION).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/policies"),
        ("PUT", "/v1/policies/mine"),
        ("DELETE", "/v1/policies/mine"),
        ("GET", "/v1/data"),
        ("PUT", "/v1/data/tokens"),
        ("PATCH", "/v1/data/tokens"),
        ("POST", "/v1/data/tokens/query"),
        ("POST", "/v1/data"),
        ("POST", "/v1/query"),
        ("POST", "/v1/compile"),
        ("GET", "/v1/config"),
        ("GET", "/metrics"),
        ("GET", "/debug/pprof/"),
        ("POST", "/v0/data/skerry/tools/decision"),
        ("POST", "/v1/data/skerry/../tokens/decision"),
    ],
)
def test_the_question_token_opens_nothing_else(stack: Stack, method: str, path: str) -> None:
    answer = ask(stack, method, path, token=stack.secret("opa-token"), json={})
    assert answer.status_code in {401, 404}
    assert stack.secret("opa-token") not in answer.text
    assert ask(stack, method, path, json={}).status_code in {401, 404}


def test_the_management_token_manages(stack: Stack) -> None:
    token = stack.secret("opa-management-token")
    policies = ask(stack, "GET", "/v1/policies", token=token)
    assert policies.status_code == 200
    assert all("_test" not in policy["id"] for policy in policies.json()["result"])


def test_decisions_are_logged_without_their_values(stack: Stack) -> None:
    ask(stack, "POST", DECISION, token=stack.secret("opa-token"), json=QUESTION)
    log = stack.logs("opa")
    assert "skerry/tools/decision" in log
    assert CANARY not in log
    assert stack.secret("opa-token") not in log
