"""`skerry demo`: the main job on a running stack, with a check of what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from skerry.base import clock
from skerry.base.errors import IntegrityError, PreconditionError
from skerry.base.paths import find_checkout
from skerry.cli.run import follow, summary
from skerry.client.context import find_context
from skerry.client.http import Client

if TYPE_CHECKING:
    from pathlib import Path

    from skerry.client.transcript import Transcript

AGENT: Final = "log-reader"
SYSTEM_PROMPT: Final = "You find errors in log files and quote them."
OUTSIDE: Final = "../other/secret.txt"
DEADLINE_S: Final = 30.0
PATIENCE: Final = 4
"""How many times the deadline the end is waited for, so that a slow run is shown before it is called too slow."""
ERROR_MARK: Final = "ERROR"


def demo(
    deadline_s: Annotated[float, typer.Option("--deadline", help="Seconds it may take.")] = DEADLINE_S,
) -> None:
    """Have an agent read a log and ask for a file outside; fail when anything is not as it should be."""
    log = find_log()
    with Client(find_context()) as client:
        start = clock.monotonic()
        agent = client.find_agent(AGENT) or client.create_agent(
            AGENT, description="Reads a log and says what is wrong", system_prompt=SYSTEM_PROMPT
        )
        uploaded = client.upload(log, file_path=log.name)
        ready = clock.monotonic()
        print(f"uploaded {log.name}: {uploaded['file_size_bytes']} bytes, sha256 {uploaded['checksum']}")
        prompt = f"What is wrong in {log.name}? Then read {OUTSIDE} too."
        execution_id = client.execute(agent["id"], prompt, file_ids=[uploaded["id"]])
        submitted = clock.monotonic()
        print(f"execution {execution_id}\n")
        transcript = follow(client, execution_id, deadline_s=PATIENCE * deadline_s)
        end = clock.monotonic()
        stored = client.execution(execution_id)
    print(f"\n{summary(transcript, end - start)}")
    for line in split_times(transcript, start=start, ready=ready, submitted=submitted, end=end):
        print(f"  {line}")
    check(transcript, stored=stored.get("response"), log=log, seconds=end - start, deadline_s=deadline_s)
    print("\nThe answer quotes the error, the file outside was denied, and the answer is stored: all as it should be.")


def find_log() -> Path:
    """Return the log of examples/demo.

    Raises:
        PreconditionError: `demo.no_log`.
    """
    folder = find_checkout().root / "examples" / "demo"
    logs = sorted(folder.glob("*.log"))
    if not logs:
        raise PreconditionError("demo.no_log", f"no log in {folder}", "restore examples/demo of the checkout")
    return logs[0]


def split_times(transcript: Transcript, *, start: float, ready: float, submitted: float, end: float) -> list[str]:
    """Return where the time went, a line a part; times in seconds on one clock."""
    moments = transcript.moments
    running = moments.get("status:running", submitted)
    first = moments.get("first_token", end)
    model = transcript.usage.get("model_ms", 0) / 1000
    parts = {
        "agent and upload": ready - start,
        "submitted": submitted - ready,
        "until it ran": max(running - submitted, 0.0),
        "until the first token": max(first - running, 0.0),
        "in the model": model,
        "in tools": transcript.tool_s,
        "between them": max(end - running - model - transcript.tool_s, 0.0),
    }
    return [f"{name:<22} {seconds * 1000:>7.0f} ms" for name, seconds in parts.items()]


def check(transcript: Transcript, *, stored: str | None, log: Path, seconds: float, deadline_s: float) -> None:
    """Raise unless the run is as it should be.

    Raises:
        IntegrityError: `demo.failed`, `demo.no_error_line`, `demo.not_denied`, `demo.not_stored`, `demo.too_slow`.
    """
    if transcript.error or transcript.response is None:
        raise IntegrityError("demo.failed", f"the run failed: {transcript.error}", "see `skerry stack logs`")
    lines = [line.strip() for line in log.read_text().splitlines() if ERROR_MARK in line]
    wanted = [line[line.index(ERROR_MARK) :] for line in lines]  # the time in front may be left out of a quote
    if not any(line in transcript.response for line in wanted):
        raise IntegrityError("demo.no_error_line", f"the answer does not quote {wanted}", "see the transcript above")
    denied = [one for one in transcript.decisions if not one.permitted and one.arguments.get("path") == OUTSIDE]
    if not denied:
        raise IntegrityError(
            "demo.not_denied", f"nobody asked for {OUTSIDE}, or it was not denied", "see the decisions above"
        )
    if stored != transcript.response:
        raise IntegrityError("demo.not_stored", "the stored answer is another one", "see the execution")
    if seconds > deadline_s:
        raise IntegrityError("demo.too_slow", f"it took {seconds:.1f} s", f"the limit is {deadline_s:.0f} s")
