"""One thread through all of it, on the real containers: an agent reads an uploaded log under policy."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
from minio import Minio
from psycopg import sql
from tests.integration.canaries import assert_no_secret

from skerry.base.errors import NotFoundError, SkerryError
from skerry.base.paths import find_checkout
from skerry.cli.demo import OUTSIDE
from skerry.client.context import FILE_NAME, Context, read_context
from skerry.client.http import Client
from skerry.client.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.stack import Stack

    from skerry.client.http import ServerEvent

pytestmark = pytest.mark.integration

LOG = find_checkout().root / "examples" / "demo" / "app.log"
ERROR_LINE = next(line[line.index("ERROR") :] for line in LOG.read_text().splitlines() if "ERROR" in line)
PROMPT = f"What is wrong in {LOG.name}? Then read {OUTSIDE} too."
RUN_DEADLINE_S = 60.0
WAIT_DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def context(stack: Stack) -> Context:
    return read_context(stack.state.root / FILE_NAME)


@pytest.fixture
def client(context: Context) -> Iterator[Client]:
    with Client(context) as one:
        yield one


@pytest.fixture(scope="module")
def agent_id(context: Context) -> str:
    with Client(context) as one:
        return str(one.create_agent("thread", system_prompt="You find errors in log files and quote them.")["id"])


@pytest.fixture(scope="module")
def file_id(context: Context) -> str:
    with Client(context) as one:
        return str(one.upload(LOG, file_path=LOG.name)["id"])


@pytest.fixture(scope="module")
def stranger(stack: Stack, context: Context) -> Context:
    """The context of another organisation's administrator."""
    words = ["organization", "--organization=other", "--admin-email=admin@other.example", "--new-key"]
    answer = json.loads(stack.inside("api", "python", "-m", "skerry.bootstrap", *words, deadline_s=120).stdout)
    return Context(context.url, answer["api_key"]["token"], "other", context.ca, context.connect_to)


def worker_of(stack: Stack) -> str:
    return next(name for name in stack.services() if name.startswith("agent-worker"))


def process_of(stack: Stack, name: str) -> int:
    """Return the host's number of the process that does the work, the last one begun: another may keep it running."""
    return max(stack.pids(name), key=lambda pid: int(Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[19]))


def follow(client: Client, execution_id: str, each: Callable[[ServerEvent], None] | None = None) -> Transcript:
    """Follow an execution to its end."""
    transcript = Transcript(write=lambda _: None)
    end = time.monotonic() + RUN_DEADLINE_S
    for event in client.events(execution_id):
        transcript.take(event)
        if each is not None:
            each(event)
        assert time.monotonic() < end, transcript
    return transcript


def assert_as_it_should_be(transcript: Transcript) -> None:
    assert transcript.error == ""
    assert transcript.response is not None
    assert ERROR_LINE in transcript.response
    verdicts = [(decision.arguments.get("path"), decision.permitted) for decision in transcript.decisions]
    assert verdicts == [(LOG.name, True), (OUTSIDE, False)]
    assert transcript.decisions[1].rule == "tools.path_outside_workspace"


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"not within {WAIT_DEADLINE_S:.0f} s: {what}"
        time.sleep(0.2)


def test_the_demo_passes_in_time(stack: Stack) -> None:
    done = stack.command("demo", deadline_s=120)
    assert ERROR_LINE in done.stdout
    assert "DENIED by tools.path_outside_workspace" in done.stdout
    assert "all as it should be" in done.stdout
    assert_no_secret(stack, done.stdout + done.stderr, place="demo")


def test_a_run_of_the_command_line(stack: Stack, agent_id: str) -> None:
    done = stack.command("run", agent_id, f"What is wrong in {LOG.name}?", f"--file={LOG}", deadline_s=120)
    assert "permitted by tools.allowed" in done.stdout
    assert "ERROR payments" in done.stdout.partition("permitted")[2]
    assert "completed in" in done.stdout
    assert_no_secret(stack, done.stdout + done.stderr, place="run")


def test_an_upload_lies_in_the_object_store_under_its_organisation(
    stack: Stack, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(1 << 20) * 12)
    row = client.upload(path, file_path="data/large.bin")
    assert (row["file_size_bytes"], row["file_path"]) == (12 << 20, "data/large.bin")

    def owners_by_file() -> dict[str, str]:
        store = Minio(
            f"{stack.address('api', 'minio')}:9000",
            access_key="skerry-api",
            secret_key=stack.secret("minio-api"),
            secure=False,
            region="us-east-1",
        )
        found = [item.object_name for item in store.list_objects("skerry", recursive=True)]
        return dict(reversed(str(name).split("/files/")) for name in found)

    found = stack.call_from("api", owners_by_file)
    owners = stack.in_database(lambda one: one.execute("select organization_id from skerry.organizations").fetchall())
    assert found[row["id"]] in {str(owner) for (owner,) in owners}
    again = client.upload(path, file_path="data/copy.bin")
    assert again["checksum"] == row["checksum"]
    assert again["id"] not in stack.call_from("api", owners_by_file)


def test_what_a_run_leaves(stack: Stack, client: Client, agent_id: str, file_id: str) -> None:
    execution_id = client.execute(agent_id, PROMPT, file_ids=[file_id])
    seen: list[ServerEvent] = []
    transcript = follow(client, execution_id, seen.append)
    assert_as_it_should_be(transcript)
    stored = client.execution(execution_id)
    assert (stored["status"], stored["response"]) == ("completed", transcript.response)
    assert "message_chunk" in {event.kind for event in seen}
    positions = [int(event.id.split("_")[1]) for event in seen[2:]]
    assert positions == sorted(set(positions))
    ledger = stack.in_database(
        lambda one: one.execute(
            "select step, tool, status, policy_revision is not null from skerry.execution_tool_calls"
            " where execution_id = %s order by step",
            (execution_id,),
        ).fetchall(),
    )
    assert ledger == [(1, "read_file", "completed", True), (3, "read_file", "denied", True)]


def test_a_stream_that_is_cut_everywhere_misses_nothing(client: Client, agent_id: str, file_id: str) -> None:
    execution_id = client.execute(agent_id, PROMPT, file_ids=[file_id])
    whole = Transcript(write=lambda _: None)
    last: str | None = None
    end = time.monotonic() + RUN_DEADLINE_S
    while whole.response is None and not whole.error:
        assert time.monotonic() < end
        for count, event in enumerate(client.events(execution_id, last_event_id=last)):
            if event.kind not in {"connected", "history_complete"}:
                whole.take(event)
            last = event.id
            if count >= 3:
                break
    assert_as_it_should_be(whole)


@pytest.mark.parametrize("service", ["worker", "system-worker"])
def test_a_worker_killed_during_the_run_costs_seconds(
    stack: Stack, client: Client, agent_id: str, file_id: str, service: str
) -> None:
    name = worker_of(stack) if service == "worker" else service
    stack.podman.run(["pause", stack.container("ollama")])
    try:
        execution_id = client.execute(agent_id, PROMPT, file_ids=[file_id])
        begun = "select count(*) from skerry.execution_turns where execution_id = %s"
        wait_for(
            "the first turn",
            lambda: stack.in_database(lambda one: one.execute(begun, (execution_id,)).fetchone()) == (1,),
        )
        os.kill(process_of(stack, name), signal.SIGKILL)
    finally:
        stack.podman.run(["unpause", stack.container("ollama")])
    start = time.monotonic()
    assert_as_it_should_be(follow(client, execution_id))
    assert time.monotonic() - start < WAIT_DEADLINE_S


def test_streams_arrive_without_redis(stack: Stack, client: Client, agent_id: str, file_id: str) -> None:
    stack.podman.run(["pause", stack.container("valkey")])
    try:
        execution_id = client.execute(agent_id, PROMPT, file_ids=[file_id])
        assert_as_it_should_be(follow(client, execution_id))
    finally:
        stack.podman.run(["unpause", stack.container("valkey")])


def test_a_run_waits_for_temporal(stack: Stack, client: Client, agent_id: str, file_id: str) -> None:
    stack.podman.run(["pause", stack.container("temporal")])
    try:
        execution_id = client.execute(agent_id, PROMPT, file_ids=[file_id])
        put_off = "select attempts from skerry.outbox where payload ->> 'execution_id' = %s"
        wait_for(
            "a delivery that is put off",
            lambda: (stack.in_database(lambda one: one.execute(put_off, (execution_id,)).fetchone()) or (0,)) >= (1,),
        )
        assert client.execution(execution_id)["status"] == "pending"
    finally:
        stack.podman.run(["unpause", stack.container("temporal")])
    assert_as_it_should_be(follow(client, execution_id))


def test_several_runs_at_once(context: Context, agent_id: str, file_id: str) -> None:
    results: list[Transcript] = []

    def one_run() -> None:
        with Client(context) as one:
            results.append(follow(one, one.execute(agent_id, PROMPT, file_ids=[file_id])))

    threads = [threading.Thread(target=one_run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(RUN_DEADLINE_S)
    assert len(results) == len(threads)
    for transcript in results:
        assert_as_it_should_be(transcript)


def test_another_organisation_finds_nothing(client: Client, stranger: Context, agent_id: str, file_id: str) -> None:
    execution_id = client.execute(agent_id, PROMPT, file_ids=[file_id])
    follow(client, execution_id)
    with Client(stranger) as other:
        theirs = other.create_agent("thread")
        asks: list[Callable[[], object]] = [
            lambda: other.execution(execution_id),
            lambda: list(other.events(execution_id)),
            lambda: other.execute(agent_id, PROMPT, file_ids=[]),
            lambda: other.execute(theirs["id"], PROMPT, file_ids=[file_id]),
        ]
        for ask in asks:
            with pytest.raises(NotFoundError):
                ask()
        assert other.find_agent(agent_id) is None


def test_a_person_is_no_worker_and_a_worker_no_person(stack: Stack, context: Context, client: Client) -> None:
    name = worker_of(stack)
    queue_id = name.rpartition("@")[2]
    refused = "is denied|no such"
    with pytest.raises(SkerryError, match=refused):
        client._call("POST", f"/api/v1/worker-queues/{queue_id}/start", json={})  # noqa: SLF001  no method calls it
    key = stack.secret(f"worker-{queue_id}")
    with Client(Context(context.url, key, ca=context.ca, connect_to=context.connect_to)) as worker:
        with pytest.raises(SkerryError, match=refused):
            worker.create_agent("mine")
        with pytest.raises(SkerryError) as caught:
            worker._call("POST", f"/api/v1/worker-queues/{queue_id}/start", json={})  # noqa: SLF001  the same
        assert caught.value.code == "worker.unsupported"


def test_no_word_of_a_run_is_in_temporal(stack: Stack, client: Client, agent_id: str, tmp_path: Path) -> None:
    planted = "canary7f3a9c"
    path = tmp_path / f"{planted}.log"
    path.write_text(f"2026-11-20 08:16:07 ERROR {planted}: refused\n")
    file_id = client.upload(path, file_path=path.name)["id"]
    execution_id = client.execute(agent_id, f"What is wrong in {path.name}?", file_ids=[file_id])
    follow(client, execution_id)

    def count(connection: psycopg.Connection) -> dict[str, int]:
        columns = connection.execute(
            "select table_name, column_name, data_type from information_schema.columns where table_schema = 'public'"
            " and data_type in ('bytea', 'character varying', 'text', 'jsonb')"
        ).fetchall()
        found = {planted: 0, execution_id: 0}
        for table, column, kind in columns:
            value = sql.Identifier(column)
            held = value if kind == "bytea" else sql.SQL("convert_to({}::text, 'UTF8')").format(value)
            query = sql.SQL("select count(*) from {} where position(%s::bytea in {}) > 0")
            for word in found:
                row = connection.execute(query.format(sql.Identifier(table), held), (word.encode(),)).fetchone()
                assert row is not None
                found[word] += row[0]
        return found

    for database in ("temporal", "temporal_visibility"):
        found = stack.in_database(count, database=database)
        assert found[planted] == 0
        assert found[execution_id] > 0


def test_an_endless_body_is_refused(context: Context) -> None:
    with Client(context) as one, pytest.raises(SkerryError):
        one.execute("0190c0de-0000-7000-8000-000000000001", "x" * (2 << 20), file_ids=[])


def test_health_knows_the_worker(context: Context) -> None:
    headers = {"host": httpx.URL(context.url).host}
    with Client(context) as one:
        answer = one._http.get(  # noqa: SLF001  no method asks for it
            "/api/health/detailed", headers=headers, extensions={"sni_hostname": headers["host"]}
        )
    assert answer.status_code == 200, answer.text
