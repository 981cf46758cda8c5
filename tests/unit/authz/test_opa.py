"""The question that OPA is asked, and what counts as its answer."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from skerry.auth.principal import Principal
from skerry.authz import opa as opa_module
from skerry.authz.guard import require
from skerry.authz.opa import Opa, question_of, read_decision
from skerry.base.errors import DeniedError, UnavailableError
from skerry.kit.settings import Secrets, Settings

ORGANIZATION = UUID("0190c0de-0000-7000-8000-000000000001")
HOLDER = UUID("0190c0de-0000-7000-8000-000000000002")
USER = Principal(
    kind="user",
    organization_id=ORGANIZATION,
    organization="acme",
    organization_name="Acme",
    token_id=UUID(int=3),
    name="ada",
    email="ada@acme.test",
    user_id=HOLDER,
    roles=("member",),
)
WORKER = Principal("worker", ORGANIZATION, "acme", "Acme", UUID(int=4), "pool", worker_queue_id=HOLDER)


def opa_answering(handler: Any) -> Opa:
    """Return an Opa whose transport is `handler`, a function of the request: the wire, simulated."""
    opa = Opa(Settings(secrets=Secrets({"opa-token": b"t" * 64})))
    opa._client = httpx.AsyncClient(  # noqa: SLF001  its wire is what is simulated
        transport=httpx.MockTransport(handler),
        base_url="http://opa.test",
        headers=opa._client.headers,  # noqa: SLF001
    )
    return opa


def test_the_question_names_who_what_and_where() -> None:
    assert question_of(USER, "agents:create", {"id": "1"}) == {
        "action": "agents:create",
        "organization_id": str(ORGANIZATION),
        "principal": {
            "kind": "user",
            "id": str(HOLDER),
            "organization_id": str(ORGANIZATION),
            "roles": ["member"],
        },
        "resource": {"id": "1"},
    }


def test_a_worker_is_known_by_its_queue() -> None:
    principal = question_of(WORKER, "workers:register", None)["principal"]
    assert (principal["kind"], principal["id"], principal["roles"]) == ("worker", str(HOLDER), [])


def test_a_decision_is_read() -> None:
    decision = read_decision(
        {"allow": True, "rule": "api.admin", "reason": "r", "scopes": [{"kind": "organization"}, 1]}
    )
    assert decision.allow
    assert decision.scopes == ({"kind": "organization"},)


@pytest.mark.parametrize("document", [None, {}, [], "yes", {"allow": 1}, {"allow": "true"}, {"allow": None}])
def test_what_is_no_decision_is_none(document: Any) -> None:
    with pytest.raises(UnavailableError) as caught:
        read_decision(document)
    assert caught.value.code == "authz.malformed"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={}),
        httpx.Response(200, json={"result": {}}),
        httpx.Response(200, json={"result": {"allow": "yes"}}),
        httpx.Response(200, content=b"not json"),
        httpx.Response(200, json=[1]),
        httpx.Response(401, json={"result": {"allow": True}}),
        httpx.Response(500, json={"result": {"allow": True}}),
        httpx.Response(302, headers={"location": "http://elsewhere.test"}),
    ],
)
def test_anything_else_than_a_decision_fails_closed(answer: httpx.Response) -> None:
    with pytest.raises(UnavailableError):
        asyncio.run(require(opa_answering(lambda _: answer), USER, "agents:create"))


def test_a_slow_answer_fails_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opa_module, "DECISION_DEADLINE_S", 0.05)

    async def slow(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1)
        return httpx.Response(200, json={"result": {"allow": True}})

    with pytest.raises(UnavailableError):
        asyncio.run(require(opa_answering(slow), USER, "agents:create"))


def test_a_denial_names_its_rule() -> None:
    answer = {"result": {"allow": False, "rule": "api.not_granted", "reason": "no role has this right"}}
    with pytest.raises(DeniedError) as caught:
        asyncio.run(require(opa_answering(lambda _: httpx.Response(200, json=answer)), USER, "agents:create"))
    assert "api.not_granted" in caught.value.message


def test_the_token_goes_along() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"result": {"allow": True, "rule": "r"}})

    decision = asyncio.run(require(opa_answering(answer), USER, "agents:create"))
    assert decision.rule == "r"
    assert seen[0].headers["authorization"] == "Bearer " + "t" * 64
    assert seen[0].url.path == "/v1/data/skerry/api/decision"
