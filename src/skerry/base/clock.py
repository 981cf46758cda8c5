"""Time comes from here, so that a test can hold it still and every timestamp we emit looks the same."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  the one place


def monotonic() -> float:
    """Return seconds on a clock that never goes back; only differences mean anything."""
    return time.monotonic()


def rfc3339(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with microseconds and `Z` (`2026-01-02T03:04:05.000006Z`).

    Raises:
        ValueError: if `moment` carries no zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without a zone has no RFC 3339 form")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
