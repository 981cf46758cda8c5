"""Failures that carry a code and nothing else, because Temporal's history lies outside row-level security.

Contract: whatever an activity or a workflow raises, what is stored of it is a stable code: no message, no stack, no
details.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from temporalio.converter import DataConverter, DefaultFailureConverter, DefaultPayloadConverter
from temporalio.exceptions import ApplicationError

from skerry.base.errors import SkerryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from temporalio.api.failure.v1 import Failure
    from temporalio.converter import PayloadConverter

P = ParamSpec("P")
R = TypeVar("R")

UNEXPECTED: Final = "run.unexpected"
RETRYABLE_STATUSES: Final = frozenset({401, 408, 429})
"""Statuses under 500 that a later attempt may not meet again: a token renewed, a deadline, a limit."""

SERVER_FAULT: Final = 500

log = logging.getLogger(__name__)


class CodeOnlyFailureConverter(DefaultFailureConverter):
    """Stores the code of a failure and drops its text, its stack and its details, at every depth of causes."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Fill `failure` from `exception`, then take away everything that could quote data."""
        super().to_failure(exception, payload_converter, failure)
        _strip(failure)


def _strip(failure: Failure) -> None:
    failure.stack_trace = ""
    failure.ClearField("encoded_attributes")
    if failure.HasField("application_failure_info"):
        info = failure.application_failure_info
        info.ClearField("details")
        if not _is_code(info.type):
            info.type = UNEXPECTED
        failure.message = info.type
    else:
        failure.message = UNEXPECTED
    if failure.HasField("canceled_failure_info"):
        failure.canceled_failure_info.ClearField("details")
    if failure.HasField("cause"):
        _strip(failure.cause)


def _is_code(text: str) -> bool:
    room, dot, what = text.partition(".")
    return bool(dot) and all(part and part.replace("_", "").replace(".", "").isalnum() for part in (room, what))


DATA_CONVERTER: Final = DataConverter(
    payload_converter_class=DefaultPayloadConverter, failure_converter_class=CodeOnlyFailureConverter
)


def as_failure(error: SkerryError) -> ApplicationError:
    """Return what Temporal is told of `error`: its code, and whether the same request may succeed later."""
    final = error.status < SERVER_FAULT and error.status not in RETRYABLE_STATUSES
    return ApplicationError(error.code, type=error.code, non_retryable=final)


def coded(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Wrap an activity: its errors leave as a code; what they said goes to this worker's own log."""

    @functools.wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await function(*args, **kwargs)
        except SkerryError as error:
            log.warning("%s failed: %s", function.__name__, error)
            raise as_failure(error) from None
        except ApplicationError:
            raise
        except Exception:
            log.exception("%s failed", function.__name__)
            raise ApplicationError(UNEXPECTED, type=UNEXPECTED) from None

    return wrapper
