"""What a usage line says, and what it never says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from skerry.llm.usage import usage_line

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CALLER = {"organization": "acme", "organization_uuid": "u", "execution": "run-1", "token_id": "t", "email": "a@b"}
PAYLOAD = {
    "model_group": "skerry/smoke",
    "model": "skerry-smoke",
    "call_type": "acompletion",
    "stream": True,
    "status": "success",
    "prompt_tokens": 21,
    "completion_tokens": 8,
    "startTime": 100.0,
    "completionStartTime": 100.25,
    "endTime": 101.5,
    "messages": [{"role": "user", "content": "PLANTED"}],
    "response": {"choices": [{"message": {"content": "PLANTED"}}]},
    "metadata": {"requester_ip_address": "PLANTED"},
}


def line(**over: Any) -> dict[str, Any]:
    text = usage_line({**PAYLOAD, **over}, CALLER, at=AT)
    assert "\n" not in text
    assert "PLANTED" not in text
    return dict(json.loads(text))


def test_a_line_says_who_what_and_how_long() -> None:
    assert line() == {
        "time": "2026-01-02T03:04:05.000000Z",
        "event": "llm.usage",
        "organization": "acme",
        "organization_uuid": "u",
        "execution": "run-1",
        "token_id": "t",
        "model": "skerry/smoke",
        "call": "acompletion",
        "stream": True,
        "outcome": "success",
        "input_tokens": 21,
        "output_tokens": 8,
        "ms": 1500,
        "first_token_ms": 250,
    }


def test_a_failure_names_its_kind_only() -> None:
    error = {"error_class": "Timeout", "error_code": "408", "error_message": "PLANTED", "traceback": "PLANTED"}
    assert line(status="failure", error_information=error)["error"] == {"class": "Timeout", "status": "408"}


def test_what_is_unknown_is_null_or_nothing() -> None:
    record = json.loads(usage_line({}, {}, at=AT))
    assert record["organization"] is None
    assert (record["input_tokens"], record["ms"], record["stream"]) == (0, None, False)


def test_a_clock_that_went_back_gives_no_time() -> None:
    assert line(endTime=99.0)["ms"] is None
