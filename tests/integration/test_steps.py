"""The ledger on a real PostgreSQL: whatever is repeated counts once, whatever is late is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import text
from tests.integration.postgres import Server, running_postgres
from tests.integration.runs import House, make_house, turn_result

from skerry.authz.opa import Decision
from skerry.base.errors import ConflictError, InvalidInputError, NotFoundError
from skerry.executions import service as executions
from skerry.kit import notices
from skerry.kit.db import Database
from skerry.kit.ids import new_id
from skerry.queues import service as queues
from skerry.steps import service as steps
from skerry.steps.schemas import CallResult, Chunk, Chunks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from uuid import UUID

    from sqlalchemy import RowMapping

pytestmark = pytest.mark.integration

ALLOW = Decision(allow=True, rule="tools.allowed", reason="fine", revision="r1")
DENY = Decision(allow=False, rule="tools.path_outside_workspace", reason="outside", revision="r1")
READ = ("read_file", '{"path": "app.log"}')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_postgres(tmp_path_factory.mktemp("secrets")) as running:
        yield running


@pytest.fixture
async def house(server: Server) -> AsyncIterator[House]:
    database = Database(server.settings, application="test")
    yield await make_house(database, f"o{new_id().hex[-12:]}")
    await database.close()


async def events_of(house: House, execution_id: UUID) -> list[RowMapping]:
    async with house.database.tenant_read(house.organization_id) as session:
        statement = text("select * from skerry.execution_events where execution_id = :id order by position")
        return list(await session.all(statement, {"id": execution_id}))


async def call_row(house: House, execution_id: UUID, step: int) -> RowMapping:
    async with house.database.tenant_read(house.organization_id) as session:
        run, _ = await house.open(session, execution_id)
        return await steps.find_call(session, run, step)


async def begin(house: House, execution_id: UUID, step: int = 0, *, attempt: int = 1) -> Any:
    async with house.database.tenant_transaction(house.organization_id) as session:
        run, row = await house.open(session, execution_id)
        return await steps.begin_turn(session, run, row, step, attempt=attempt)


async def say(house: House, execution_id: UUID, n: int, content: str, *, attempt: int = 1) -> None:
    async with house.database.tenant_transaction(house.organization_id) as session:
        run, _ = await house.open(session, execution_id)
        await steps.add_chunks(session, run, 0, Chunks(attempt=attempt, chunks=[Chunk(n=n, content=content)]))


async def answer(
    house: House, execution_id: UUID, step: int, content: str, *calls: tuple[str, str], **more: int
) -> int:
    async with house.database.tenant_transaction(house.organization_id) as session:
        run, _ = await house.open(session, execution_id)
        return await steps.finish_turn(session, run, step, turn_result(content, *calls, **more))


async def permit(house: House, execution_id: UUID, step: int, decision: Decision | None, *, attempt: int = 1) -> Any:
    async with house.database.tenant_transaction(house.organization_id) as session:
        run, row = await house.open(session, execution_id)
        return await steps.permit(session, run, row, step, attempt=attempt, decision=decision)


async def report(house: House, execution_id: UUID, step: int, **changes: Any) -> None:
    async with house.database.tenant_transaction(house.organization_id) as session:
        run, row = await house.open(session, execution_id)
        same = {"parent": row["workspace"], "workspace": row["workspace"]}
        body = {"attempt": 1, "status": "completed", "content": "text", "code": "", **same, **changes}
        await steps.finish_call(session, run, step, CallResult(**body))


async def test_a_run_from_end_to_end(house: House) -> None:
    run = await house.started()
    turn = await begin(house, run)
    assert [(message.role, message.content) for message in turn.messages] == [("user", "Look.")]
    assert await answer(house, run, 0, "I look.", READ, ("read_file", '{"path": "../x"}')) == 2
    assert (await permit(house, run, 1, ALLOW)).state == "allow"
    await report(house, run, 1, content="ERROR x")
    assert (await permit(house, run, 2, DENY)).state == "settled"
    turn = await begin(house, run, 3)
    assert [message.role for message in turn.messages] == ["user", "assistant", "tool", "tool"]
    assert [call.id for call in turn.messages[1].tool_calls] == ["call_1", "call_2"]
    assert [message.outcome.status for message in turn.messages[2:]] == ["completed", "denied"]
    assert turn.messages[3].outcome.code == DENY.rule
    assert await answer(house, run, 3, "It broke.") == 0
    for _ in range(2):
        async with house.database.tenant_transaction(house.organization_id) as session:
            await executions.finish(session, house.organization_id, run, code="")
    async with house.database.tenant_read(house.organization_id) as session:
        row = await executions.get_execution(session, house.organization_id, run)
    assert (row["status"], row["response"], row["error_code"]) == ("completed", "It broke.", None)
    assert row["usage"]["tool_calls_denied"] == 1
    assert row["usage"]["total_tokens"] == 30
    events = await events_of(house, run)
    assert [event["kind"] for event in events] == [
        *("status", "message", "status", "message"),
        *("permit", "tool_started", "tool_completed", "message"),
        *("permit", "tool_completed", "message"),
        *("message", "status", "done"),
    ]
    assert events[-1]["data"]["response"] == "It broke."


async def test_a_newer_attempt_takes_the_turn(house: House) -> None:
    run = await house.started()
    first = await begin(house, run)
    await say(house, run, 0, "wro")
    again = await begin(house, run, attempt=2)
    assert again.message_id == first.message_id
    for late in (say(house, run, 1, "ng"), answer(house, run, 0, "wrong"), begin(house, run)):
        with pytest.raises(ConflictError) as caught:
            await late
        assert caught.value.code == "step.superseded"
    await say(house, run, 0, "right", attempt=2)
    kinds = [event["kind"] for event in await events_of(house, run)]
    assert kinds[3:] == ["message_reset", "message_chunk"]


async def test_a_new_attempt_without_pieces_resets_nothing(house: House) -> None:
    run = await house.started()
    await begin(house, run)
    await begin(house, run, attempt=2)
    assert "message_reset" not in [event["kind"] for event in await events_of(house, run)]


async def test_a_repeated_piece_is_one_piece(house: House) -> None:
    run = await house.started()
    await begin(house, run)
    for n in (0, 1, 1, 0, 2):
        await say(house, run, n, f"{n}")
    pieces = [event for event in await events_of(house, run) if event["kind"] == "message_chunk"]
    assert [event["n"] for event in pieces] == [0, 1, 2]


async def test_the_finished_message_replaces_its_pieces(house: House) -> None:
    run = await house.started()
    await begin(house, run)
    await say(house, run, 0, "It ")
    for _ in range(2):
        assert await answer(house, run, 0, "It broke.", READ) == 1
    events = await events_of(house, run)
    assert [event["kind"] for event in events][3:] == ["message"]
    assert events[-1]["data"]["content"] == "It broke."
    assert (await begin(house, run, attempt=2)).done


async def test_calls_without_text_show_nothing(house: House) -> None:
    run = await house.started()
    await begin(house, run)
    await answer(house, run, 0, "", READ)
    assert [event["kind"] for event in await events_of(house, run)] == ["status", "message", "status"]


async def test_a_denied_call_stays_denied(house: House) -> None:
    run = await house.started()
    await begin(house, run)
    await answer(house, run, 0, "", READ)
    await permit(house, run, 1, DENY)
    count = len(await events_of(house, run))
    assert (await permit(house, run, 1, ALLOW)).state == "settled"
    await report(house, run, 1)
    row = await call_row(house, run, 1)
    assert (row["status"], row["rule"], row["policy_revision"]) == ("denied", DENY.rule, "r1")
    assert len(await events_of(house, run)) == count


async def test_unsound_arguments_are_a_failure_of_the_call(house: House) -> None:
    run = await house.started()
    await begin(house, run)
    await answer(house, run, 0, "", ("read_file", '{"path": "app'))
    assert (await permit(house, run, 1, None)).state == "settled"
    assert (await call_row(house, run, 1))["code"] == "tool.bad_arguments"


async def test_a_result_counts_once_and_only_with_a_permit(house: House) -> None:
    run = await house.started()
    await begin(house, run)
    await answer(house, run, 0, "", READ)
    with pytest.raises(ConflictError) as caught:
        await report(house, run, 1)
    assert caught.value.code == "step.not_permitted"
    await permit(house, run, 1, ALLOW)
    await permit(house, run, 1, ALLOW, attempt=2)
    with pytest.raises(ConflictError) as caught:
        await report(house, run, 1)
    assert caught.value.code == "step.superseded"
    await report(house, run, 1, attempt=2, content="first")
    await report(house, run, 1, attempt=2, content="second")
    assert (await call_row(house, run, 1))["result"] == "first"
    kinds = [event["kind"] for event in await events_of(house, run)]
    assert (kinds.count("tool_started"), kinds.count("tool_completed")) == (1, 1)


async def test_a_workspace_that_has_moved_takes_no_result(house: House) -> None:
    run = await house.started()
    await begin(house, run)
    await answer(house, run, 0, "", READ)
    await permit(house, run, 1, ALLOW)
    with pytest.raises(ConflictError) as caught:
        await report(house, run, 1, parent="0" * 64)
    assert caught.value.code == "workspace.moved"


async def test_turns_are_limited(house: House) -> None:
    run = await house.started()
    limit = executions.DEFAULT_LIMITS["max_turns"]
    for step in range(limit):
        await begin(house, run, step)
    with pytest.raises(ConflictError) as caught:
        await begin(house, run, limit)
    assert caught.value.code == "execution.turn_limit"


async def test_what_has_ended_takes_no_steps(house: House) -> None:
    run = await house.started()
    async with house.database.tenant_transaction(house.organization_id) as session:
        await executions.finish(session, house.organization_id, run, code="model.failed")
        assert not await executions.begin(session, house.organization_id, run)
    with pytest.raises(ConflictError) as caught:
        await begin(house, run)
    assert caught.value.code == "execution.not_running"
    assert (await events_of(house, run))[-1]["data"]["error_type"] == "model.failed"


async def test_other_queues_and_organisations_see_nothing(house: House) -> None:
    run = await house.started()
    other = await make_house(house.database, f"p{new_id().hex[-12:]}")
    places = [(house.organization_id, other.queue_id), (other.organization_id, other.queue_id)]
    for organization_id, queue_id in [*places, (other.organization_id, house.queue_id)]:
        async with house.database.tenant_read(organization_id) as session:
            with pytest.raises(NotFoundError) as caught:
                await steps.open_run(session, organization_id, run, queue_id=queue_id)
        assert caught.value.code == "execution.not_found"


async def test_pieces_at_once_get_positions_in_the_order_of_their_commits(house: House) -> None:
    run = await house.started()
    await begin(house, run)
    seen: list[int] = []
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set() or len(seen) < 43:
            new = [event["position"] for event in await events_of(house, run) if event["position"] > max([0, *seen])]
            seen.extend(new)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(say(house, run, n, "x") for n in range(40)))
    done.set()
    await watcher
    assert seen == list(range(1, 44))


async def test_a_submission_wakes_the_dispatcher(house: House, server: Server) -> None:
    async with notices.listening(server.settings, "skerry_outbox", application="test") as listener:
        await listener.wait(5)
        await house.submit()
        assert await listener.wait(5)


def test_partitions_are_made_by_platform_alone(server: Server) -> None:
    with server.connect("skerry_platform", "postgres-platform") as connection:
        assert connection.execute("select skerry.make_event_partitions(3)").fetchone() == (0,)
        assert connection.execute("select skerry.make_event_partitions(5)").fetchone() == (2,)
        with pytest.raises(psycopg.errors.RaiseException):
            connection.execute("select skerry.make_event_partitions(99)")
    refused = pytest.raises(psycopg.errors.InsufficientPrivilege)
    with server.connect("skerry_app", "postgres-app") as connection, refused:
        connection.execute("select skerry.make_event_partitions(3)")


async def test_a_queue_that_takes_no_work(house: House) -> None:
    async def choose(queue_id: UUID | None) -> str:
        async with house.database.tenant_read(house.organization_id) as session:
            with pytest.raises(InvalidInputError) as caught:
                await queues.choose(session, house.organization_id, queue_id)
        return caught.value.code

    async with house.database.tenant_transaction(house.organization_id) as session:
        await session.execute(text("update skerry.worker_queues set status = 'maintenance'"))
    assert await choose(house.queue_id) == "worker_queue.inactive"
    assert await choose(None) == "worker_queue.none"
