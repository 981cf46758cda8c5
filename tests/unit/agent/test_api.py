"""The worker's calls: repeated where that is safe, failed in the API's own words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from skerry.agent import api as module
from skerry.agent.api import ControlPlane
from skerry.agent.protocol import parse_permit, parse_tree, parse_turn
from skerry.agent.settings import AgentSettings, load_agent_settings
from skerry.base.errors import ConflictError, NotFoundError, PreconditionError, SkerryError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUE = "0190c0de-0000-7000-8000-000000000001"
SETTINGS = AgentSettings("http://api:8000", QUEUE, Path("/nowhere"), "pool-key")
REGISTRATION = {
    "worker_id": "w",
    "organization_uuid": "o",
    "task_queue_name": f"o.{QUEUE}",
    "temporal_namespace": "o",
    "temporal_host": "temporal:7233",
    "temporal_api_key": "t",
    "litellm_api_url": "http://litellm:4000/v1/",
    "litellm_api_key": "l",
    "worker_token": "short",
    "expires_in": 600,
    "heartbeat_interval": 60,
}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)


def plane(answer: Callable[[httpx.Request], httpx.Response]) -> ControlPlane:
    return ControlPlane(SETTINGS, transport=httpx.MockTransport(answer))


async def test_the_key_registers_and_the_token_works() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=REGISTRATION) if request.url.path.endswith("/start") else httpx.Response(204)

    api = plane(answer)
    registration = await api.register({"hostname": "h"})
    await api.heartbeat("w", status="idle", processed=3)
    assert [request.headers["authorization"] for request in seen] == ["Bearer pool-key", "Bearer short"]
    assert registration.litellm_url == "http://litellm:4000/v1"


async def test_an_answer_that_comes_later_is_waited_for() -> None:
    answers: list[httpx.Response | Exception] = [
        httpx.ConnectError("refused"),
        httpx.Response(503, json={}),
        httpx.Response(200, json={"calls": 2}),
    ]

    def answer(_request: httpx.Request) -> httpx.Response:
        one = answers.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    assert await plane(answer).finish_turn("e", 0, body={}) == 2


async def test_in_the_end_it_fails() -> None:
    tries = []

    def answer(request: httpx.Request) -> httpx.Response:
        tries.append(request)
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(UnavailableError) as caught:
        await plane(answer).permit("e", 1, attempt=1)
    assert caught.value.code == "agent.unreachable"
    assert len(tries) == module.TRIES


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (409, {"code": "step.superseded", "detail": "newer"}, ConflictError, "step.superseded"),
        (404, {"code": "execution.not_found", "detail": "none"}, NotFoundError, "execution.not_found"),
        (500, {"code": "server.failed"}, UnavailableError, "server.failed"),
        (502, None, UnavailableError, "http.status_502"),
        (200, [], UnavailableError, "protocol.shape"),
    ],
)
async def test_errors_keep_their_code(status: int, body: Any, kind: type[SkerryError], code: str) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text="<html>") if body is None else httpx.Response(status, json=body)

    with pytest.raises(kind) as caught:
        await plane(answer).begin_turn("e", 0, attempt=1)
    assert caught.value.code == code


async def test_a_blob_streams_and_its_absence_is_an_error() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/missing"):
            return httpx.Response(404, json={"code": "file.not_found", "detail": "none"})
        return httpx.Response(200, content=b"bytes")

    api = plane(answer)
    assert b"".join([part async for part in api.blob("e", "d")]) == b"bytes"
    with pytest.raises(NotFoundError):
        async for _ in api.blob("e", "missing"):
            pass


TURN: dict[str, Any] = {
    "done": False,
    "calls": 0,
    "message_id": "m",
    "model": "skerry/smoke",
    "system_prompt": "",
    "max_tokens": 10,
    "temperature": 0,
    "tools": ["read_file"],
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "call_1", "name": "read_file", "arguments": "{}"}]},
        {
            "role": "tool",
            "content": "",
            "tool_call_id": "call_1",
            "outcome": {"status": "denied", "content": "no", "code": "tools.x"},
        },
    ],
}


def test_a_turn_is_parsed() -> None:
    turn = parse_turn(TURN)
    assert turn.messages[1].calls[0].id == turn.messages[2].call_id == "call_1"
    assert turn.messages[2].outcome is not None
    assert turn.messages[2].outcome.code == "tools.x"


@pytest.mark.parametrize("name", ["done", "calls", "model", "max_tokens", "messages"])
@pytest.mark.parametrize("value", [None, object()])
def test_another_shape_is_refused(name: str, value: object) -> None:
    with pytest.raises(UnavailableError) as caught:
        parse_turn({**TURN, name: value})
    assert caught.value.code == "protocol.shape"


def test_a_number_is_no_truth_value() -> None:
    with pytest.raises(UnavailableError):
        parse_turn({**TURN, "calls": True})
    with pytest.raises(UnavailableError):
        parse_permit({"state": "allow", "tool": "t", "arguments": None, "workspace": "d"})


@pytest.mark.parametrize("mode", [0o120777, 0o40755, 0o4755, 0])
def test_a_snapshot_holds_plain_files_only(mode: int) -> None:
    with pytest.raises(UnavailableError):
        parse_tree({"entries": [{"path": "a", "mode": mode, "size": 1, "sha256": "0" * 64}]})


def test_settings(tmp_path: Path) -> None:
    (tmp_path / "worker-key").write_text("secret\n")
    environment = {
        "SKERRY_API_URL": "http://api:8000/",
        "SKERRY_WORKER_QUEUE": QUEUE,
        "SKERRY_SECRETS_DIR": str(tmp_path),
    }
    settings = load_agent_settings(environment)
    assert (settings.api_url, settings.key) == ("http://api:8000", "secret")
    assert "secret" not in repr(settings)
    with pytest.raises(PreconditionError) as caught:
        load_agent_settings({**environment, "SKERRY_WORKER_QUEUE": ""})
    assert caught.value.code == "agent.no_setting"
    (tmp_path / "worker-key").unlink()
    with pytest.raises(PreconditionError) as caught:
        load_agent_settings(environment)
    assert caught.value.code == "agent.no_key"
