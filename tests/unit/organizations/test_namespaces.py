"""A namespace that the server has registered and does not know yet."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from google.protobuf.any_pb2 import Any as Packed
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.service import RPCError, RPCStatusCode

from skerry.base.errors import UnavailableError
from skerry.kit.ids import new_id
from skerry.organizations import namespaces

if TYPE_CHECKING:
    from skerry.auth.temporal import TemporalDoor


def unknown() -> RPCError:
    detail = Packed()
    detail.Pack(NamespaceNotFoundFailure())
    status = GrpcStatus(code=int(RPCStatusCode.NOT_FOUND), message="no namespace", details=[detail])
    return RPCError("no namespace", RPCStatusCode.NOT_FOUND, status.SerializeToString())


async def test_one_that_never_becomes_usable_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "PAUSE_S", 0.01)

    async def register(_request: Any, **_: Any) -> None:
        return

    async def describe(_request: Any, **_: Any) -> None:
        raise unknown()

    service = SimpleNamespace(register_namespace=register, describe_workflow_execution=describe)

    async def client(_name: str = "") -> Any:
        return SimpleNamespace(workflow_service=service)

    door = cast("TemporalDoor", SimpleNamespace(system=client, client=client))
    with pytest.raises(UnavailableError) as caught:
        await namespaces.ensure_namespace(door, new_id(), deadline_s=0.05)
    assert caught.value.code == "temporal.namespace"
