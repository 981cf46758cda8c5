"""Turns: a crowd is let in a few at a time, and an answer that goes on holds nobody up."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from skerry.kit import turns
from skerry.kit.turns import Turns

PATH = re.compile(r"/streams/[^/]+")
AT_ONCE = 3


class Crowd:
    """An application behind Turns, and how many requests it has begun without answering."""

    def __init__(self) -> None:
        self.beginning = 0
        self.most = 0
        self.go_on = asyncio.Event()
        self.app = Turns(self.answer, path=PATH, at_once=AT_ONCE)

    async def answer(self, scope: Any, _receive: Any, send: Any) -> None:
        self.beginning += 1
        self.most = max(self.most, self.beginning)
        await asyncio.sleep(0.005)
        self.beginning -= 1
        if scope["path"].endswith("/bad"):
            raise ValueError("bad")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await self.go_on.wait()
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, path: str) -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        await self.app({"type": "http", "path": path, "headers": [], "method": "GET"}, receive, send)
        return sent


async def test_few_begin_at_a_time_and_all_are_answered() -> None:
    crowd = Crowd()
    asking = [asyncio.create_task(crowd.ask(f"/streams/{number}")) for number in range(20)]
    await asyncio.sleep(0.2)
    # Every answer has begun, although none has ended.
    assert crowd.beginning == 0
    assert not any(task.done() for task in asking)
    assert crowd.most == AT_ONCE
    crowd.go_on.set()
    assert {sent[0]["status"] for sent in await asyncio.gather(*asking)} == {200}


async def test_other_paths_do_not_wait() -> None:
    crowd = Crowd()
    crowd.go_on.set()
    await asyncio.gather(*(crowd.ask("/agents") for _ in range(20)))
    assert crowd.most == 20


async def test_a_failure_and_a_client_that_goes_give_their_turn_back() -> None:
    crowd = Crowd()
    crowd.go_on.set()
    for _ in range(2 * AT_ONCE):
        with pytest.raises(ValueError, match="bad"):
            await crowd.ask("/streams/bad")
        going = asyncio.create_task(crowd.ask("/streams/1"))
        await asyncio.sleep(0)
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
    assert (await crowd.ask("/streams/1"))[0]["status"] == 200


async def test_who_waits_too_long_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WAIT_S", 0.02)
    crowd = Crowd()
    monkeypatch.setattr(crowd, "answer", None)

    async def never(*_: Any) -> None:
        await asyncio.sleep(60)

    crowd.app = Turns(never, path=PATH, at_once=1)
    first = asyncio.create_task(crowd.ask("/streams/1"))
    await asyncio.sleep(0)
    answer, *said = await crowd.ask("/streams/2")
    first.cancel()
    assert answer["status"] == 503
    assert (b"retry-after", b"1") in answer["headers"]
    assert b'"server.busy"' in b"".join(message["body"] for message in said)
