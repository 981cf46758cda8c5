"""The two activities of the agent loop: one model call, one tool call.

Contract: what they take and return are ids and counts, so that nothing a person or a model wrote enters Temporal's
history. An activity may run again at any time, here or on another worker: the API's ledger decides what has already
happened.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from temporalio import activity

from skerry.agent.chunks import ChunkSender
from skerry.agent.failures import coded
from skerry.agent.tools import run_tool
from skerry.agent.workspace import BlobCache, Workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from skerry.agent.api import ControlPlane
    from skerry.agent.completion import Answer, ModelClient
    from skerry.agent.protocol import Entry, Turn

HEARTBEAT_S: Final = 1.0
TREES_KEPT: Final = 64


@dataclass
class StepRequest:
    """Which step of which execution."""

    execution_id: str
    step: int


@dataclass
class TurnOutcome:
    """How many tool calls follow from the turn; 0 means that it was the final one."""

    calls: int


class AgentActivities:
    """The loop's activities over one API connection, one model connection and one blob cache."""

    def __init__(self, api: ControlPlane, model: ModelClient, cache: BlobCache) -> None:
        self._api = api
        self._model = model
        self._cache = cache
        self._trees: dict[tuple[str, str], dict[str, Entry]] = {}
        self.processed = 0
        self.running = 0

    def all(self) -> list[Callable[..., object]]:
        """Return what a Temporal worker registers."""
        return [self.take_turn, self.call_tool]

    @activity.defn(name="agent.turn")
    @coded
    async def take_turn(self, request: StepRequest) -> TurnOutcome:
        """Ask the model once and hand its answer in."""
        attempt = activity.info().attempt
        async with self._busy():
            turn = await self._api.begin_turn(request.execution_id, request.step, attempt=attempt)
            if turn.done:
                return TurnOutcome(turn.calls)
            answer, chunks = await self._ask(request, turn, attempt)
            body = _turn_body(answer, attempt=attempt, chunks=chunks)
            return TurnOutcome(await self._api.finish_turn(request.execution_id, request.step, body=body))

    async def _ask(self, request: StepRequest, turn: Turn, attempt: int) -> tuple[Answer, int]:
        async def send(chunks: list[dict[str, object]], /) -> None:
            await self._api.send_chunks(request.execution_id, request.step, attempt=attempt, chunks=chunks)

        sender = ChunkSender(send)
        try:
            answer = await self._model.complete(turn, sender.say)
            return answer, await sender.finish()
        except BaseException:
            await sender.abandon()
            raise

    @activity.defn(name="agent.call")
    @coded
    async def call_tool(self, request: StepRequest) -> None:
        """Ask for the permit of one tool call, run it when it has one, hand the outcome in."""
        attempt = activity.info().attempt
        async with self._busy():
            permit = await self._api.permit(request.execution_id, request.step, attempt=attempt)
            if permit.state == "settled":
                return
            workspace = await self._workspace(request.execution_id, permit.workspace)
            outcome = await run_tool(workspace, permit.tool, permit.arguments)
            body = {
                "attempt": attempt,
                "status": outcome.status,
                "content": outcome.content,
                "code": outcome.code,
                "parent": permit.workspace,
                "workspace": permit.workspace,
            }
            await self._api.finish_call(request.execution_id, request.step, body=body)

    async def _workspace(self, execution_id: str, digest: str) -> Workspace:
        key = (execution_id, digest)
        if key not in self._trees:
            self._trees[key] = await self._api.workspace(execution_id)
            while len(self._trees) > TREES_KEPT:
                self._trees.pop(next(iter(self._trees)))
        return Workspace(execution_id, self._trees[key], self._cache)

    @asynccontextmanager
    async def _busy(self) -> AsyncIterator[None]:
        self.running += 1
        beat = asyncio.create_task(_beat())
        try:
            yield
            self.processed += 1
        finally:
            self.running -= 1
            beat.cancel()


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT_S)


def _turn_body(answer: Answer, *, attempt: int, chunks: int) -> dict[str, object]:
    return {
        "attempt": attempt,
        "chunks": chunks,
        "content": answer.content,
        "tool_calls": [{"name": call.name, "arguments": call.arguments} for call in answer.calls],
        "finish_reason": answer.finish_reason,
        "model": answer.model,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "first_token_us": answer.first_token_us,
        "total_us": answer.total_us,
    }
