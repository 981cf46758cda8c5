"""What an agent's configuration gives a run, and ids of events."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, RetryState, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from skerry.base.errors import InvalidInputError
from skerry.executions.endpoints import parse_event_id
from skerry.executions.schemas import AgentExecutionRequest
from skerry.executions.service import BUILT_IN_TOOLS, DEFAULT_LIMITS, limits_of, tools_of, workflow_id
from skerry.executions.workflows import code_of

RUN = UUID("0190c0de-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("configuration", "tools"),
    [
        ({}, BUILT_IN_TOOLS),
        ({"tools": None}, BUILT_IN_TOOLS),
        ({"tools": []}, ()),
        ({"tools": ["read_file", "launch"]}, ("read_file",)),
        ({"tools": [7]}, ()),
    ],
)
def test_tools(configuration: dict[str, Any], tools: tuple[str, ...]) -> None:
    assert tools_of(configuration) == tools


@pytest.mark.parametrize(
    ("configuration", "name", "value"),
    [
        ({}, "max_turns", DEFAULT_LIMITS["max_turns"]),
        ({"max_turns": 3}, "max_turns", 3),
        ({"max_turns": 10**9}, "max_turns", 200),
        ({"max_turns": -1}, "max_turns", 1),
        ({"max_turns": "many"}, "max_turns", DEFAULT_LIMITS["max_turns"]),
        ({"temperature": 0.7}, "temperature_milli", 700),
        ({"temperature": 9}, "temperature_milli", 2000),
    ],
)
def test_limits(configuration: dict[str, Any], name: str, value: int) -> None:
    assert limits_of(configuration)[name] == value


def test_event_ids() -> None:
    assert parse_event_id(None, RUN) is None
    assert parse_event_id("", RUN) is None
    assert parse_event_id(f"{RUN}_17_1795400000000000", RUN) == 17
    assert workflow_id(RUN) == f"agent-execution-{RUN}"


@pytest.mark.parametrize(
    "text", ["17", f"{RUN}", f"{RUN}_x_1", f"{RUN}_1", f"{RUN}_-1_1", f"{UUID(int=1)}_1_1", "_1_1"]
)
def test_ids_of_no_event(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_event_id(text, RUN)
    assert caught.value.code == "stream.bad_event_id"


def test_files_are_read_from_both_places() -> None:
    body = AgentExecutionRequest.model_validate(
        {"prompt": "p", "user_metadata": {"file_ids": ["b", 7]}, "execution_environment": {"file_ids": ["a"]}}
    )
    assert body.file_ids == ["a", "b"]
    assert AgentExecutionRequest(prompt="p", user_metadata={"file_ids": "x"}).file_ids == []


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="prompt"):
        AgentExecutionRequest(prompt="")


def failed(cause: BaseException) -> ActivityError:
    error = ActivityError(
        "words",
        scheduled_event_id=1,
        started_event_id=2,
        identity="i",
        activity_type="t",
        activity_id="a",
        retry_state=RetryState.MAXIMUM_ATTEMPTS_REACHED,
    )
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (ApplicationError("w", type="model.failed"), "model.failed"),
        (ApplicationError("w"), "run.unexpected"),
        (TemporalTimeoutError("w", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[]), "run.worker_lost"),
        (CancelledError("w"), "run.cancelled"),
        (ValueError("w"), "run.unexpected"),
    ],
)
def test_codes_of_failed_activities(cause: BaseException, code: str) -> None:
    assert code_of(failed(cause)) == code
