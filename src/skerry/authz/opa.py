"""Client of OPA's Data API: a decision within a deadline, or none.

Contract: `query` POSTs `{"input": ...}` to /v1/data/skerry/<package> and returns `result`. Whatever is not a
well-formed answer in time (refused, slow, no result because the policy is not loaded) raises UnavailableError, so
callers fail closed.

Source: OPA REST API, Data API, "Get a Document (with Input)".
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx

from skerry.base.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skerry.auth.principal import Principal
    from skerry.kit.settings import Settings

DECISION_DEADLINE_S: Final = 1.0
CONNECTIONS: Final = 32
API_DECISION: Final = "api/decision"


@dataclass(frozen=True)
class Decision:
    """What a policy said: `rule` is the id of the rule that decided, `scopes` what a list may show."""

    allow: bool
    rule: str
    reason: str
    revision: str = ""
    scopes: tuple[Mapping[str, str], ...] = ()


class Opa:
    """One client for the life of the process."""

    def __init__(self, settings: Settings) -> None:
        """Make the client; nothing connects before the first question. The secret is `opa-token`."""
        self._client = httpx.AsyncClient(
            base_url=settings.opa_url,
            headers={"authorization": f"Bearer {settings.secrets.text('opa-token')}"},
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            timeout=DECISION_DEADLINE_S,
            trust_env=False,
        )

    async def query(self, package: str, question: Mapping[str, Any]) -> Any:
        """Return the document `package` (`api/decision`, `tools/decision`) for the input `question`.

        Raises:
            UnavailableError: `authz.unavailable`.
        """
        try:
            async with asyncio.timeout(DECISION_DEADLINE_S):
                response = await self._client.post(f"/v1/data/skerry/{package}", json={"input": question})
                response.raise_for_status()
                return response.json()["result"]
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise UnavailableError(
                "authz.unavailable", "the policy engine gives no decision", "try again; see `skerry stack status`"
            ) from error

    async def decide(self, principal: Principal, action: str, resource: Mapping[str, Any] | None = None) -> Decision:
        """Return the platform policy's decision on `principal` doing `action` ("room:verb").

        Raises:
            UnavailableError: `authz.unavailable`.
        """
        return read_decision(await self.query(API_DECISION, question_of(principal, action, resource)))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def question_of(principal: Principal, action: str, resource: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the input of policies/skerry/api: whose right to what is asked."""
    holder = principal.user_id if principal.kind == "user" else principal.worker_queue_id
    return {
        "action": action,
        "organization_id": str(principal.organization_id),
        "principal": {
            "kind": principal.kind,
            "id": str(holder),
            "organization_id": str(principal.organization_id),
            "roles": list(principal.roles),
        },
        "resource": dict(resource or {}),
    }


def read_decision(document: Any) -> Decision:
    """Return the Decision that a policy's `decision` document writes; anything but `allow: true` denies.

    Raises:
        UnavailableError: `authz.malformed`.
    """
    if not isinstance(document, dict) or not isinstance(document.get("allow"), bool):
        raise UnavailableError("authz.malformed", "the policy engine's answer is not a decision", "see policies/skerry")
    scopes = document.get("scopes") or []
    return Decision(
        allow=document["allow"] is True,
        rule=str(document.get("rule", "")),
        reason=str(document.get("reason", "")),
        revision=str(document.get("revision", "")),
        scopes=tuple(scope for scope in scopes if isinstance(scope, dict)),
    )
