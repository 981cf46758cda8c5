"""The worker's only way to the control plane: HTTP, with the pool's key to register and a token for the rest.

Contract: an answer is a parsed object, a failure a SkerryError with the API's own code. Calls that must not be lost
are repeated over a connection that broke, because every one of them is idempotent by its key (execution, step,
attempt, n).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import httpx

from skerry.agent import protocol
from skerry.base.errors import (
    ConflictError,
    DeniedError,
    InvalidInputError,
    NotFoundError,
    SkerryError,
    UnauthenticatedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from skerry.agent.protocol import Entry, Permit, Registration, Turn
    from skerry.agent.settings import AgentSettings

DEADLINE_S: Final = 10.0
CONNECT_DEADLINE_S: Final = 3.0
TRIES: Final = 4
FIRST_PAUSE_S: Final = 0.1
WORKER_VERSION: Final = "skerry-agent-worker"

ERRORS: Final[Mapping[int, type[SkerryError]]] = {
    401: UnauthenticatedError,
    403: DeniedError,
    404: NotFoundError,
    409: ConflictError,
}


class ControlPlane:
    """The API as a worker sees it."""

    def __init__(self, settings: AgentSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._token = ""
        self._http = httpx.AsyncClient(
            base_url=settings.api_url,
            timeout=httpx.Timeout(DEADLINE_S, connect=CONNECT_DEADLINE_S),
            transport=transport,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def register(self, system: Mapping[str, Any]) -> Registration:
        """Register at the queue with the pool's key; from then on the token it brings is used."""
        answer = await self._send(
            "POST",
            f"/api/v1/worker-queues/{self._settings.queue_id}/start",
            token=self._settings.key,
            json={"worker_sdk_version": WORKER_VERSION, "system_info": dict(system)},
        )
        return self._adopt(answer)

    async def renew(self, worker_id: str) -> Registration:
        """Trade the pool's key for fresh tokens of a worker that is registered."""
        return self._adopt(
            await self._send("POST", f"/api/v1/workers/{worker_id}/renew", token=self._settings.key, json={})
        )

    def _adopt(self, answer: Mapping[str, Any]) -> Registration:
        registration = protocol.parse_registration(answer)
        self._token = registration.api_token
        return registration

    async def heartbeat(self, worker_id: str, *, status: str, processed: int) -> None:
        """Say that this worker lives."""
        await self._send(
            "POST", f"/api/v1/workers/{worker_id}/heartbeat", json={"status": status, "tasks_processed": processed}
        )

    async def disconnect(self, worker_id: str) -> None:
        """Say that this worker goes."""
        await self._send("POST", f"/api/v1/workers/{worker_id}/disconnect", json={"reason": "shutdown", "exit_code": 0})

    async def begin_turn(self, execution_id: str, step: int, *, attempt: int) -> Turn:
        """Claim a turn for this attempt and learn what to ask the model."""
        path = f"/api/v1/worker/executions/{execution_id}/turns/{step}/begin"
        return protocol.parse_turn(await self._send("POST", path, json={"attempt": attempt}))

    async def send_chunks(self, execution_id: str, step: int, *, attempt: int, chunks: list[dict[str, Any]]) -> None:
        """Append pieces of the answer: `[{"n": int, "content": str}, ...]`."""
        path = f"/api/v1/worker/executions/{execution_id}/turns/{step}/chunks"
        await self._send("POST", path, json={"attempt": attempt, "chunks": chunks})

    async def finish_turn(self, execution_id: str, step: int, *, body: Mapping[str, Any]) -> int:
        """Hand in the whole answer; return how many tool calls follow from it (0: it was the final one)."""
        path = f"/api/v1/worker/executions/{execution_id}/turns/{step}/result"
        return int(protocol.want(await self._send("POST", path, json=dict(body)), "calls", int))

    async def permit(self, execution_id: str, step: int, *, attempt: int) -> Permit:
        """Ask whether the tool call of this step may run."""
        path = f"/api/v1/worker/executions/{execution_id}/calls/{step}/permit"
        return protocol.parse_permit(await self._send("POST", path, json={"attempt": attempt}))

    async def finish_call(self, execution_id: str, step: int, *, body: Mapping[str, Any]) -> None:
        """Hand in how a permitted call ended; it counts once, through the ledger."""
        await self._send("POST", f"/api/v1/worker/executions/{execution_id}/calls/{step}/result", json=dict(body))

    async def workspace(self, execution_id: str) -> dict[str, Entry]:
        """Return the files of the execution's workspace by path."""
        return protocol.parse_tree(await self._send("GET", f"/api/v1/worker/executions/{execution_id}/workspace"))

    async def blob(self, execution_id: str, sha256: str) -> AsyncIterator[bytes]:
        """Stream the bytes of a file of the workspace. The caller checks the digest."""
        path = f"/api/v1/worker/executions/{execution_id}/blobs/{sha256}"
        try:
            async with self._http.stream("GET", path, headers=self._headers(None)) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise as_error(answer)
                async for part in answer.aiter_bytes():
                    yield part
        except httpx.HTTPError as error:
            raise unreachable("the API", error) from error

    async def _send(
        self, method: str, path: str, *, token: str | None = None, json: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        pause = FIRST_PAUSE_S
        for left in range(TRIES - 1, -1, -1):
            try:
                answer = await self._http.request(method, path, json=json, headers=self._headers(token))
            except httpx.TransportError as error:
                if left == 0:
                    raise unreachable("the API", error) from error
            else:
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or left == 0:
                    return _body(answer)
            await asyncio.sleep(pause)
            pause *= 3
        raise AssertionError("the last try returns or raises")

    def _headers(self, token: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token if token is None else token}"}


def _body(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise as_error(answer)
    if not answer.content:
        return {}
    body = answer.json()
    if not isinstance(body, dict):
        raise UnavailableError("protocol.shape", "the API's answer is no object", "update the worker")
    return body


def as_error(answer: httpx.Response) -> SkerryError:
    """Return the error an answer carries: the API's own code and words where it gives them."""
    try:
        body = answer.json()
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    code, detail = body.get("code"), body.get("detail")
    kind = ERRORS.get(answer.status_code, UnavailableError if answer.is_server_error else InvalidInputError)
    return kind(
        code if isinstance(code, str) else f"http.status_{answer.status_code}",
        detail if isinstance(detail, str) else f"{answer.request.url.path} answered {answer.status_code}",
    )


def unreachable(what: str, error: Exception) -> UnavailableError:
    """Return the error for a service that did not answer (`agent.unreachable`)."""
    return UnavailableError("agent.unreachable", f"{what} did not answer: {type(error).__name__}", "see its health")
