"""What a call through the model door carries, streams and leaves behind."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

PLANTED = "planted-7f3a-never-in-a-log"
USAGE_DEADLINE_S = 10.0
CALL = {"model": "skerry/smoke", "messages": [{"role": "user", "content": PLANTED}], "max_tokens": 12}


def mint(stack: Stack, execution: str) -> str:
    return stack.mint(
        {
            "aud": "litellm",
            "organization": "test",
            "organization_uuid": "0190c0de-0000-7000-8000-000000000001",
            "name": "test",
            "kind": "worker",
            "execution_id": execution,
        }
    )


def post(stack: Stack, body: dict[str, Any], *, execution: str, **headers: str) -> httpx.Response:
    url = f"http://{stack.address('api', 'litellm')}:4000/v1/chat/completions"
    held = {"authorization": f"Bearer {mint(stack, execution)}", **headers}
    return stack.call_from("api", lambda: httpx.post(url, headers=held, json=body, timeout=60, trust_env=False))


def usage(stack: Stack, execution: str) -> dict[str, Any]:
    """Wait for the usage line of one call: it is written after the answer has gone."""
    end = time.monotonic() + USAGE_DEADLINE_S
    while time.monotonic() < end:
        lines = [json.loads(line) for line in stack.logs("litellm").splitlines() if '"llm.usage"' in line]
        if found := [line for line in lines if line["execution"] == execution]:
            assert len(found) == 1
            return dict(found[0])
        time.sleep(0.2)
    raise AssertionError(f"no usage line of {execution}")


def test_a_call_leaves_one_line_without_a_word_of_it(stack: Stack) -> None:
    answer = post(stack, CALL, execution="calls-whole").json()
    line = usage(stack, "calls-whole")
    assert (line["organization"], line["model"], line["outcome"]) == ("test", "skerry/smoke", "success")
    assert line["input_tokens"] == answer["usage"]["prompt_tokens"] > 0
    assert line["output_tokens"] == answer["usage"]["completion_tokens"] > 0
    assert PLANTED not in stack.logs("litellm")


def test_a_stream_comes_in_pieces_and_ends_with_its_usage(stack: Stack) -> None:
    answer = post(stack, {**CALL, "stream": True}, execution="calls-stream")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert len(chunks) > 2
    assert chunks[-1]["usage"]["completion_tokens"] == usage(stack, "calls-stream")["output_tokens"] > 0


def test_a_refused_call_makes_no_model_work(stack: Stack) -> None:
    for field in ("api_base", "mock_response", "num_retries", "fallbacks"):
        answer = post(stack, {**CALL, field: "http://192.0.2.1"}, execution="calls-refused")
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "llm.field")
    assert '"calls-refused"' not in stack.logs("litellm")


def test_orders_in_headers_count_for_nothing(stack: Stack) -> None:
    answer = post(stack, CALL, execution="calls-headers", **{"x-litellm-timeout": "0.000001", "x-litellm-tags": "a"})
    assert answer.status_code == 200


def test_the_console_of_litellm_is_not_in_the_image(stack: Stack) -> None:
    out = "/opt/litellm/lib/python3.13/site-packages/litellm/proxy/_experimental/out"
    assert stack.inside("litellm", "bash", "-c", f"[[ ! -e {out} ]]", check=False).status == 0
