"""What leaves a ChunkSender, and when."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from skerry.agent.chunks import INTERVAL_S, SIZE_CHARS, ChunkSender


class Taker:
    """Takes pieces, as slowly as it is told, and remembers when each began."""

    def __init__(self, pause_s: float = 0.0, fail_at: int = -1) -> None:
        self.pieces: list[dict[str, Any]] = []
        self.times: list[float] = []
        self._pause_s = pause_s
        self._fail_at = fail_at

    async def __call__(self, chunks: list[dict[str, Any]], /) -> None:
        self.times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self._pause_s)
        for chunk in chunks:
            if chunk["n"] == self._fail_at:
                raise ConnectionError
            self.pieces.append(chunk)

    @property
    def text(self) -> str:
        return "".join(piece["content"] for piece in self.pieces)


def test_the_first_piece_goes_at_once_and_the_rest_gathers() -> None:
    async def scenario() -> Taker:
        taker = Taker()
        sender = ChunkSender(taker)
        for text in "abcdefgh":
            await sender.say(text)
            await asyncio.sleep(INTERVAL_S / 10)
        assert await sender.finish() == len(taker.pieces)
        return taker

    taker = asyncio.run(scenario())
    assert taker.text == "abcdefgh"
    assert taker.pieces[0]["content"] == "a"
    assert 2 <= len(taker.pieces) <= 4


def test_pieces_are_numbered_from_nought_without_a_gap() -> None:
    async def scenario() -> Taker:
        taker = Taker()
        sender = ChunkSender(taker)
        for _ in range(5):
            await sender.say("x")
            await asyncio.sleep(INTERVAL_S * 1.5)
        await sender.finish()
        return taker

    assert [piece["n"] for piece in asyncio.run(scenario()).pieces] == [0, 1, 2, 3, 4]


def test_a_full_piece_does_not_wait() -> None:
    async def scenario() -> Taker:
        taker = Taker()
        sender = ChunkSender(taker)
        await sender.say("first")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await sender.say("y" * SIZE_CHARS)
        await asyncio.sleep(INTERVAL_S / 5)
        await sender.finish()
        return taker

    taker = asyncio.run(scenario())
    assert taker.times[1] - taker.times[0] < INTERVAL_S / 2


def test_a_slow_taker_gets_fewer_and_larger_pieces_in_order() -> None:
    async def scenario() -> Taker:
        taker = Taker(pause_s=INTERVAL_S * 2)
        sender = ChunkSender(taker)
        for n in range(40):
            await sender.say(f"{n},")
            await asyncio.sleep(0.002)
        await sender.finish()
        return taker

    taker = asyncio.run(scenario())
    assert taker.text == "".join(f"{n}," for n in range(40))
    assert len(taker.pieces) < 10


def test_nothing_said_is_nothing_sent() -> None:
    async def scenario() -> tuple[Taker, int]:
        taker = Taker()
        return taker, await ChunkSender(taker).finish()

    taker, count = asyncio.run(scenario())
    assert (taker.pieces, count) == ([], 0)


def test_what_stops_the_sender_stops_who_speaks() -> None:
    async def scenario() -> None:
        sender = ChunkSender(Taker(fail_at=1))
        for _ in range(20):
            await sender.say("x")
            await asyncio.sleep(INTERVAL_S)

    with pytest.raises(ConnectionError):
        asyncio.run(scenario())


def test_abandoning_sends_no_more() -> None:
    async def scenario() -> Taker:
        taker = Taker()
        sender = ChunkSender(taker)
        await sender.say("a")
        await asyncio.sleep(INTERVAL_S / 5)
        await sender.say("b")
        await sender.abandon()
        await asyncio.sleep(INTERVAL_S * 2)
        return taker

    assert asyncio.run(scenario()).text == "a"
