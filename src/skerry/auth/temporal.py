"""Clients of Temporal that carry a token of their own making: short-lived, renewed before it ends.

Contract: a TemporalDoor makes one lazy client a namespace; `client` returns it with a token of at least half its
life. A process that keeps clients open (a worker) runs `keep_fresh` beside them. It works without Temporal: nothing
connects before the first call.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from temporalio.client import Client
from temporalio.converter import DataConverter

from skerry.auth.tokens import SHORT_LIFE, SYSTEM_NAMESPACE, Subject
from skerry.base import clock
from skerry.base.errors import SkerryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skerry.auth.tokens import Issuer, TemporalRole
    from skerry.kit.settings import Settings

log = logging.getLogger(__name__)

RENEW_AFTER: Final = SHORT_LIFE / 2
RENEW_PAUSE_S: Final = 30.0
CONNECT_DEADLINE: Final = timedelta(seconds=5)
NO_ORGANIZATION: Final = UUID(int=0)
"""Our own services speak for no organisation; the permissions of their tokens say where they may act."""


@dataclass
class _Open:
    client: Client
    roles: tuple[TemporalRole, ...]
    minted_at: float


class TemporalDoor:
    """Clients by namespace."""

    def __init__(
        self,
        settings: Settings,
        issuer: Issuer,
        *,
        name: str,
        lazy: bool = True,
        data_converter: DataConverter = DataConverter.default,
    ) -> None:
        """Make a door for the service `name`, which stands as `sub` in its tokens.

        Args:
            settings: where Temporal is.
            issuer: makes the tokens.
            name: the service.
            lazy: connect at the first call; a Temporal worker wants a client that is connected, and then `client`
                raises RuntimeError when Temporal does not answer.
            data_converter: how payloads and failures are written.
        """
        self._lazy = lazy
        self._data_converter = data_converter
        self._address = str(settings.temporal)
        self._issuer = issuer
        self._subject = Subject(
            kind="system", subject=name, organization_id=NO_ORGANIZATION, organization="", name=name
        )
        self._open: dict[str, _Open] = {}

    async def client(self, namespace: str, *, roles: Sequence[TemporalRole] = ("write",)) -> Client:
        """Return the client of `namespace`; the first call decides its roles there.

        Raises:
            UnavailableError: when no token can be made.
        """
        opened = self._open.get(namespace)
        if opened is None:
            client = await Client.connect(
                self._address,
                namespace=namespace,
                lazy=self._lazy,
                data_converter=self._data_converter,
                rpc_metadata=await self._metadata(namespace, roles),
                connect_timeout=CONNECT_DEADLINE,
                identity=self._subject.name,
            )
            opened = self._open.setdefault(namespace, _Open(client, tuple(roles), clock.monotonic()))
        elif clock.monotonic() - opened.minted_at > RENEW_AFTER.total_seconds():
            await self._renew(namespace, opened)
        return opened.client

    async def system(self) -> Client:
        """Return the client that may register namespaces (admin of `temporal-system`)."""
        return await self.client(SYSTEM_NAMESPACE, roles=("admin",))

    async def keep_fresh(self) -> None:
        """Renew tokens for ever; run it as a task beside whatever keeps a client open."""
        while True:
            await asyncio.sleep(RENEW_PAUSE_S)
            for namespace, opened in list(self._open.items()):
                if clock.monotonic() - opened.minted_at <= RENEW_AFTER.total_seconds():
                    continue
                try:
                    await self._renew(namespace, opened)
                except SkerryError as error:
                    log.warning("a Temporal token was not renewed: %s", error, extra={"namespace": namespace})

    async def _renew(self, namespace: str, opened: _Open) -> None:
        opened.client.rpc_metadata = await self._metadata(namespace, opened.roles)
        opened.minted_at = clock.monotonic()

    async def _metadata(self, namespace: str, roles: Sequence[TemporalRole]) -> dict[str, str | bytes]:
        token = await self._issuer.mint_temporal(self._subject, roles={namespace: roles})
        return {"authorization": f"Bearer {token}"}
