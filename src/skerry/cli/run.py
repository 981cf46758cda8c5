"""`skerry run`: have an agent work on a prompt, and follow it."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003  typer reads the annotation
from typing import Annotated

import typer

from skerry.base import clock
from skerry.base.errors import InvalidInputError, NotFoundError
from skerry.client.context import find_context
from skerry.client.http import FOR_EVER_S, Client
from skerry.client.transcript import Transcript

FAILED = 1
INTERRUPTED = 130


def run(
    agent: Annotated[str, typer.Argument(help="The agent, by name or id.")],
    prompt: Annotated[str, typer.Argument(help="What it shall do.")],
    files: Annotated[
        list[Path] | None, typer.Option("--file", "-f", help="A file for its workspace; may be given again.")
    ] = None,
    queue: Annotated[str, typer.Option(help="Worker queue, by id; the organisation's default one when left out.")] = "",
) -> None:
    """Have an agent work on a prompt; show tokens, tool calls, decisions and the end as they come."""
    paths = _checked(files or [])
    with Client(find_context()) as client:
        found = client.find_agent(agent)
        if found is None:
            raise NotFoundError("agent.not_found", f"there is no agent {agent!r}", "make one: POST /api/v1/agents")
        start = clock.monotonic()
        file_ids = [str(client.upload(path, file_path=path.name)["id"]) for path in paths]
        execution_id = client.execute(found["id"], prompt, file_ids=file_ids, queue_id=queue or None)
        try:
            transcript = follow(client, execution_id)
        except KeyboardInterrupt:
            print(f"\nleft; the execution goes on: {execution_id}")
            raise typer.Exit(INTERRUPTED) from None
    print(f"\n{summary(transcript, clock.monotonic() - start)}\n{execution_id}")
    if transcript.error:
        raise typer.Exit(FAILED)


def _checked(files: list[Path]) -> list[Path]:
    for path in files:
        if not path.is_file():
            raise InvalidInputError("run.no_file", f"{path} is no file", "name files that are there")
    if len({path.name for path in files}) != len(files):
        raise InvalidInputError("run.same_name", "two of the files have the same name", "rename one of them")
    return files


def follow(client: Client, execution_id: str, *, deadline_s: float = FOR_EVER_S) -> Transcript:
    """Print an execution's events until it ends; return what happened."""
    transcript = Transcript(write=_write)
    for event in client.events(execution_id, deadline_s=deadline_s):
        transcript.take(event)
    return transcript


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def summary(transcript: Transcript, seconds: float) -> str:
    """Return the last line of a run: how it ended and what it took."""
    if transcript.error:
        return f"failed after {seconds:.1f} s: {transcript.error}"
    usage = transcript.usage
    return (
        f"completed in {seconds:.1f} s: {usage.get('turns', 0)} turns, {usage.get('tool_calls', 0)} tool calls "
        f"({usage.get('tool_calls_denied', 0)} denied), {usage.get('total_tokens', 0)} tokens"
    )
