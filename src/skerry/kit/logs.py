"""Logging: one JSON object a line on standard output, with the ids of what it belongs to.

Contract: `correlate` binds request, organisation and execution ids to everything logged inside it (contextvars, so
tasks inherit them). A line has `time`, `level`, `logger`, `message`, the bound ids, the record's own `extra` fields
and `exception`.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from skerry.base import clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_bound: ContextVar[Mapping[str, str] | None] = ContextVar("skerry_log_ids", default=None)
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
QUIET = ("httpx", "httpcore", "alembic.runtime.plugins")
"""Libraries that log each call at INFO: from WARNING on only."""


class JsonFormatter(logging.Formatter):
    """Renders a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, Any] = {
            "time": clock.rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **(_bound.get() or {}),
            **{key: value for key, value in vars(record).items() if key not in _PLAIN},
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps(line, default=str, ensure_ascii=False)


def set_up(level: str, *, stream: TextIO | None = None) -> None:
    """Make the root logger write JSON lines of `level` and above to `stream` (standard output when None)."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stdout)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def correlate(**ids: str) -> Iterator[None]:
    """Add ids (request_id, organization_id, execution_id, ...) to every line logged inside the block."""
    token = _bound.set({**(_bound.get() or {}), **ids})
    try:
        yield
    finally:
        _bound.reset(token)


def bind(**ids: str) -> None:
    """Add ids to every line that this task logs from here on; the next `correlate` block that ends drops them."""
    _bound.set({**(_bound.get() or {}), **ids})


def bound(name: str) -> str | None:
    """Return an id that `correlate` bound around the caller, None when there is none of that name."""
    return (_bound.get() or {}).get(name)
