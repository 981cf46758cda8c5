"""What of a failure enters Temporal's history: a code, and nothing that could quote data."""

from __future__ import annotations

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError, CancelledError

from skerry.agent.failures import DATA_CONVERTER, UNEXPECTED, CodeOnlyFailureConverter, as_failure, coded
from skerry.base.errors import ConflictError, NotFoundError, SkerryError, UnauthenticatedError, UnavailableError

SECRET = "the planted secret"


def written(error: BaseException) -> Failure:
    failure = Failure()
    CodeOnlyFailureConverter().to_failure(error, DATA_CONVERTER.payload_converter, failure)
    return failure


def fail(error: Exception) -> None:
    raise error from ValueError(SECRET)


def caught(error: Exception) -> BaseException:
    """Return the error as it is when it has been raised, with its traceback and cause."""
    try:
        fail(error)
    except Exception as raised:  # noqa: BLE001  that is what the test is about
        return raised
    raise AssertionError(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(SECRET),
        SkerryError("a.b", SECRET, SECRET),
        ApplicationError(SECRET, SECRET, type="model.failed"),
        ApplicationError(SECRET, type=SECRET),
        CancelledError(SECRET, SECRET),
    ],
)
def test_no_text_is_written(error: Exception) -> None:
    data = written(caught(error)).SerializeToString()
    assert SECRET.encode() not in data
    assert b"test_failures" not in data


def test_the_code_is_written() -> None:
    failure = written(ApplicationError("words", type="model.failed"))
    assert failure.message == failure.application_failure_info.type == "model.failed"


def test_without_a_code_it_is_unexpected() -> None:
    failure = written(RuntimeError("words"))
    assert failure.application_failure_info.type == UNEXPECTED


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (NotFoundError("a.b", ""), True),
        (ConflictError("a.b", ""), True),
        (UnavailableError("a.b", ""), False),
        (UnauthenticatedError("a.b", ""), False),
        (SkerryError("a.b", ""), False),
    ],
)
def test_what_is_tried_again(error: SkerryError, *, final: bool) -> None:
    assert as_failure(error).non_retryable is final


async def test_an_activity_fails_with_a_code() -> None:
    @coded
    async def known() -> None:
        raise UnavailableError("model.failed", SECRET)

    @coded
    async def unknown() -> None:
        raise ValueError(SECRET)

    with pytest.raises(ApplicationError) as first:
        await known()
    assert (first.value.type, first.value.__cause__) == ("model.failed", None)
    with pytest.raises(ApplicationError) as second:
        await unknown()
    assert (second.value.type, second.value.__cause__) == (UNEXPECTED, None)
