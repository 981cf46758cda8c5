"""The two hooks LiteLLM calls: who may call, and what a finished call leaves in the log.

Contract: LiteLLM's configuration names `user_api_key_auth` and `usage_log` (routing.AUTH_HOOK, routing.CALLBACKS). The
master key opens nothing: it exists because LiteLLM does not start without one. A refusal is LiteLLM's ProxyException;
any other exception would end as status 500 there.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import ProxyException, UserAPIKeyAuth

from skerry.base import clock
from skerry.base.errors import SkerryError
from skerry.llm.tokens import KeySet, verify
from skerry.llm.usage import usage_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fastapi import Request

STATE = "skerry_keys"  # where `application` puts the KeySet on LiteLLM's app


async def user_api_key_auth(request: Request, api_key: str | None) -> UserAPIKeyAuth:
    """Return what LiteLLM keeps about the caller of one request; the gate has checked the same token before.

    Raises:
        ProxyException: 401 for a token that is refused, 503 when the keys that check it cannot be had.
    """
    keys: KeySet = getattr(request.app.state, STATE)
    try:
        caller = await verify((api_key or "").removeprefix("Bearer "), keys)
    except SkerryError as error:
        raise ProxyException(message=error.message, type=error.code, param=None, code=error.status) from error
    return UserAPIKeyAuth(
        api_key=caller.token_id, user_id=caller.organization, key_alias=caller.token_id, metadata=caller.metadata
    )


class UsageLog(CustomLogger):  # type: ignore[misc]  # LiteLLM is not in the checking environment
    """Writes a usage line a call."""

    async def async_log_success_event(
        self, kwargs: Mapping[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """Write the line of a call that was answered."""
        del response_obj, start_time, end_time
        _write(kwargs)

    async def async_log_failure_event(
        self, kwargs: Mapping[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """Write the line of a call that failed."""
        del response_obj, start_time, end_time
        _write(kwargs)


def _write(kwargs: Mapping[str, Any]) -> None:
    metadata = kwargs.get("litellm_params", {}).get("metadata") or {}
    caller = metadata.get("user_api_key_metadata") or {}
    line = usage_line(kwargs.get("standard_logging_object") or {}, caller, at=clock.now())
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


usage_log = UsageLog()
