"""One line of JSON a call: who, which model, how many tokens, how long. Never a word of what was said.

Contract: pure. The control plane's ledger of model calls is the truth of usage; these lines are the door's own account.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from skerry.base import clock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

CALLER_FIELDS = ("organization", "organization_uuid", "execution", "token_id")


def usage_line(payload: Mapping[str, Any], caller: Mapping[str, Any], *, at: datetime) -> str:
    """Return the line of one finished call.

    Args:
        payload: LiteLLM's standard logging payload; only the fields named here are read.
        caller: `Caller.metadata` of who called; empty when the call was refused before it was known.
        at: when the line is written.
    """
    record: dict[str, Any] = {"time": clock.rfc3339(at), "event": "llm.usage"}
    record |= {name: caller.get(name) for name in CALLER_FIELDS}
    start, end = payload.get("startTime"), payload.get("endTime")
    record |= {
        "model": payload.get("model_group") or payload.get("model"),
        "call": payload.get("call_type"),
        "stream": bool(payload.get("stream")),
        "outcome": payload.get("status"),
        "input_tokens": payload.get("prompt_tokens") or 0,
        "output_tokens": payload.get("completion_tokens") or 0,
        "ms": _milliseconds(start, end),
        "first_token_ms": _milliseconds(start, payload.get("completionStartTime")),
    }
    error = payload.get("error_information") or {}
    if error.get("error_class"):
        record["error"] = {"class": error.get("error_class"), "status": error.get("error_code")}
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)


def _milliseconds(start: Any, end: Any) -> int | None:
    """Return the whole milliseconds between two times in seconds, None where one is missing."""
    if not isinstance(start, int | float) or not isinstance(end, int | float) or end < start:
        return None
    return round((end - start) * 1000)
