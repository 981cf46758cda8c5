"""Why a line of the outbox is put off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from skerry import system_worker
from skerry.executions.service import START
from skerry.kit.ids import new_id
from skerry.system_worker import Dispatcher, NamespaceWorkers

if TYPE_CHECKING:
    from sqlalchemy import RowMapping


@pytest.mark.parametrize(
    ("kind", "limit", "code"), [("reports.print", 1, "outbox.unknown_kind"), (START, 0, "outbox.no_room")]
)
async def test_a_line_that_cannot_be_delivered(
    kind: str, limit: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_worker, "NAMESPACES_LIMIT", limit)
    nobody = cast("Any", None)  # neither the database nor Temporal is asked
    dispatcher = Dispatcher(nobody, nobody, NamespaceWorkers(nobody, nobody))
    line = {"organization_id": new_id(), "id": new_id(), "kind": kind, "payload": {}}
    assert await dispatcher._deliver_one(cast("RowMapping", line)) == code  # noqa: SLF001  what `deliver` writes down
