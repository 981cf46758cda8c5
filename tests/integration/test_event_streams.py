"""Streams over a real PostgreSQL: complete and in order, with the bell, without it, and after a cut."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
from tests.integration.postgres import Server, running_postgres
from tests.integration.runs import House, lone_bell, make_house, turn_result

from skerry.events import service as events
from skerry.events.service import EventStreams, bell_name
from skerry.executions import service as executions
from skerry.kit.db import Database
from skerry.kit.ids import new_id
from skerry.record.events import RunKey
from skerry.steps import service as steps
from skerry.steps.schemas import Chunk, Chunks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from skerry.events.presenter import Shown
    from skerry.kit.bell import Bell
    from skerry.kit.db import ReadSession

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_postgres(tmp_path_factory.mktemp("secrets")) as running:
        yield running


@pytest.fixture
async def house(server: Server) -> AsyncIterator[House]:
    database = Database(server.settings, application="test")
    yield await make_house(database, f"o{new_id().hex[-12:]}")
    await database.close()


async def key_of(house: House, execution_id: UUID) -> RunKey:
    async with house.database.tenant_read(house.organization_id) as session:
        row = await executions.get_execution(session, house.organization_id, execution_id)
    return RunKey(house.organization_id, execution_id, row["created_on"])


async def work(house: House, execution_id: UUID, bell: Bell | None = None, *, words: int = 30) -> None:
    """Take one turn of `words` pieces and end the execution, ringing after each commit."""

    def ring() -> None:
        if bell is not None:
            bell.ring(bell_name(execution_id))

    async with house.database.tenant_transaction(house.organization_id) as session:
        run, row = await house.open(session, execution_id)
        await steps.begin_turn(session, run, row, 0, attempt=1)
    for n in range(words):
        async with house.database.tenant_transaction(house.organization_id) as session:
            await steps.add_chunks(session, run, 0, Chunks(attempt=1, chunks=[Chunk(n=n, content=f"{n} ")]))
        ring()
    await finish(house, run, "".join(f"{n} " for n in range(words)))
    ring()


async def finish(house: House, run: RunKey, content: str) -> None:
    async with house.database.tenant_transaction(house.organization_id) as session:
        await steps.finish_turn(session, run, 0, turn_result(content))
    async with house.database.tenant_transaction(house.organization_id) as session:
        await executions.finish(session, run.organization_id, run.execution_id, code="")


async def opened(streams: EventStreams, run: RunKey, resume_after: int | None) -> AsyncGenerator[Shown | None]:
    """Return a stream the way the endpoint does."""
    async with streams._database.tenant_read(run.organization_id) as session:  # noqa: SLF001  the same one
        opening = await EventStreams.open(session, run, resume_after)
    return streams.stream(run, opening, organization="o", status="running")


async def collect(streams: EventStreams, run: RunKey, resume_after: int | None, *, until: int = 10**9) -> list[Shown]:
    """Return what a connection is shown, up to `until` events or the end."""
    found: list[Shown] = []
    async with asyncio.timeout(30), aclosing(await opened(streams, run, resume_after)) as shown:
        async for event in shown:
            if event is not None:
                found.append(event)
            if len(found) >= until:
                break
    return found


def text_of(found: list[Shown]) -> str:
    """Return the agent's words as a client puts them together."""
    said: dict[str, str] = {}
    for event in found:
        if event.kind == "message_chunk":
            data = event.data["data"]
            said[data["message_id"]] = said.get(data["message_id"], "") + data["content"]
        elif event.kind == "message" and event.data["role"] == "assistant":
            said[event.data["message_id"]] = event.data["content"]
    return "".join(said.values())


WHOLE = "".join(f"{n} " for n in range(30))


async def test_many_followers_and_one_reader(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    bell = lone_bell()
    streams = EventStreams(house.database, bell)
    execution_id = await house.started()
    run = await key_of(house, execution_id)
    readers = 0
    read_for_ever = streams._read_for_ever  # noqa: SLF001  counted, not changed

    async def counted(*arguments: object) -> None:
        nonlocal readers
        readers += 1
        await read_for_ever(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(streams, "_read_for_ever", counted)
    followers = [asyncio.create_task(collect(streams, run, start)) for start in (None, 0, None, 2, 0)]
    await asyncio.sleep(0.2)
    await work(house, execution_id, bell)
    results = await asyncio.gather(*followers)
    assert readers == 1
    for found in results:
        assert text_of(found) == WHOLE
        assert found[0].kind == "connected"
        assert found[-1].kind == "done"
        positions = [event.position for event in found[2:]]
        assert positions == sorted(set(positions))


async def test_with_the_bell_it_is_prompt_and_without_it_is_late(house: House) -> None:
    for own_bell, longest_s in ((True, 0.5), (False, 1.6)):
        bell = lone_bell()
        streams = EventStreams(house.database, bell)
        execution_id = await house.started()
        run = await key_of(house, execution_id)
        follower = asyncio.create_task(collect(streams, run, 0))
        await asyncio.sleep(0.3)
        await work(house, execution_id, bell if own_bell else None, words=3)
        end = time.monotonic()
        found = await follower
        assert time.monotonic() - end < longest_s
        assert text_of(found) == "0 1 2 "


async def test_streams_without_news_cost_one_look_a_second_together(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = EventStreams(house.database, lone_bell())
    runs = [await key_of(house, await house.started()) for _ in range(15)]
    followers = [asyncio.create_task(collect(streams, run, None)) for run in runs]
    await asyncio.sleep(1.5)
    reads = 0
    tenant_read = house.database.tenant_read

    def counted(organization_id: UUID) -> AbstractAsyncContextManager[ReadSession]:
        nonlocal reads
        reads += 1
        return tenant_read(organization_id)

    monkeypatch.setattr(house.database, "tenant_read", counted)
    await asyncio.sleep(3.2)
    monkeypatch.undo()
    assert 1 <= reads <= 4
    await work(house, runs[7].execution_id, words=2)
    assert text_of(await followers[7]) == "0 1 "
    for follower in followers:
        follower.cancel()
    await asyncio.gather(*followers, return_exceptions=True)


async def test_a_client_that_is_cut_everywhere_misses_nothing(house: House) -> None:
    bell = lone_bell()
    streams = EventStreams(house.database, bell)
    execution_id = await house.started()
    run = await key_of(house, execution_id)
    working = asyncio.create_task(work(house, execution_id, bell))
    found: list[Shown] = []
    position = 0
    while not found or found[-1].kind != "done":
        piece = [event for event in await collect(streams, run, position, until=5) if event.position > position]
        found += piece
        position = max([position, *(event.position for event in piece)])
    await working
    assert text_of(found) == WHOLE
    kinds = [event.kind for event in found]
    assert kinds[:3] == ["status", "message", "status"]
    assert kinds.count("done") == 1


async def test_who_comes_late_gets_the_history_first(house: House) -> None:
    streams = EventStreams(house.database, lone_bell())
    execution_id = await house.started()
    run = await key_of(house, execution_id)
    await work(house, execution_id)
    found = await collect(streams, run, None)
    assert [event.kind for event in found] == ["connected", "message", "message", "history_complete", "done"]
    assert found[3].data["message_count"] == 2
    assert text_of(found) == WHOLE


async def test_who_comes_in_the_middle_gets_what_was_said_so_far(house: House) -> None:
    streams = EventStreams(house.database, lone_bell())
    execution_id = await house.started()
    run = await key_of(house, execution_id)
    async with house.database.tenant_transaction(house.organization_id) as session:
        _, row = await house.open(session, execution_id)
        await steps.begin_turn(session, run, row, 0, attempt=1)
        pieces = [Chunk(n=0, content="It "), Chunk(n=1, content="broke")]
        await steps.add_chunks(session, run, 0, Chunks(attempt=1, chunks=pieces))
    found = await collect(streams, run, None, until=5)
    assert [event.kind for event in found] == [
        *("connected", "message", "history_complete"),
        *("message_chunk", "message_chunk"),
    ]
    await finish(house, run, "It broke.")
    whole = await collect(streams, run, found[-1].position)
    assert [event.kind for event in whole[2:]] == ["message", "status", "done"]
    assert whole[2].data["content"] == "It broke."


async def test_who_has_seen_the_end_is_told_it_again(house: House) -> None:
    streams = EventStreams(house.database, lone_bell())
    execution_id = await house.started()
    run = await key_of(house, execution_id)
    await work(house, execution_id, words=1)
    for position in (10**6, (await collect(streams, run, 0))[-1].position):
        assert [event.kind for event in await collect(streams, run, position)][2:] == ["done"]


async def test_a_slow_client_falls_behind_and_catches_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BACKLOG_ROWS", 5)
    bell = lone_bell()
    streams = EventStreams(house.database, bell)
    execution_id = await house.started()
    run = await key_of(house, execution_id)
    found: list[Shown] = []

    async def slowly() -> None:
        async with aclosing(await opened(streams, run, 0)) as shown:
            async for event in shown:
                await asyncio.sleep(0.02)
                if event is not None:
                    found.append(event)

    follower = asyncio.create_task(slowly())
    await work(house, execution_id, bell)
    await asyncio.wait_for(follower, 30)
    assert text_of(found) == WHOLE


async def test_nothing_is_left_of_a_stream_that_was_closed(house: House) -> None:
    bell = lone_bell()
    streams = EventStreams(house.database, bell)
    run = await key_of(house, await house.started())
    for _ in range(20):
        await collect(streams, run, None, until=3)
    follower = asyncio.create_task(collect(streams, run, None))
    await asyncio.sleep(0.2)
    follower.cancel()
    await asyncio.gather(follower, return_exceptions=True)
    await asyncio.sleep(0.2)
    assert not streams._tails  # noqa: SLF001  what would leak
    assert not bell._listeners  # noqa: SLF001  the same


async def test_a_database_that_is_away_for_a_while(house: House, server: Server) -> None:
    bell = lone_bell()
    streams = EventStreams(house.database, bell)
    execution_id = await house.started()
    run = await key_of(house, execution_id)
    follower = asyncio.create_task(collect(streams, run, 0))
    await asyncio.sleep(0.2)
    with server.connect("postgres", "postgres-superuser") as connection:
        for _ in range(3):
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'test'")
            await asyncio.sleep(0.1)
    await work(house, execution_id, bell)
    assert text_of(await follower) == WHOLE
