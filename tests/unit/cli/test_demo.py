"""What the demo takes for success."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from skerry.base.errors import IntegrityError, PreconditionError
from skerry.base.paths import Checkout
from skerry.cli import demo
from skerry.cli.demo import OUTSIDE, check, find_log, split_times
from skerry.cli.run import summary
from skerry.client.transcript import ToolDecision, Transcript

if TYPE_CHECKING:
    from pathlib import Path

LINE = "2026-11-20 08:16:07 ERROR payments: refused"


def finished(response: str | None = f'The error is: "{LINE}"', *, path: str = OUTSIDE) -> Transcript:
    transcript = Transcript(write=lambda _: None, response=response)
    transcript.decisions.append(
        ToolDecision("call_3", "read_file", {"path": path}, permitted=False, rule="tools.x", reason="outside")
    )
    return transcript


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text(f"2026-11-20 08:14:02 INFO db: fine\n{LINE}\n")
    return path


def test_all_as_it_should_be(log: Path) -> None:
    transcript = finished()
    check(transcript, stored=transcript.response, log=log, seconds=3.0, deadline_s=30.0)


@pytest.mark.parametrize(
    ("transcript", "stored", "seconds", "code"),
    [
        (finished(None), None, 1.0, "demo.failed"),
        (finished("Hello."), "Hello.", 1.0, "demo.no_error_line"),
        (finished(path="app.log"), f'The error is: "{LINE}"', 1.0, "demo.not_denied"),
        (finished(), "other", 1.0, "demo.not_stored"),
        (finished(), f'The error is: "{LINE}"', 31.0, "demo.too_slow"),
    ],
)
def test_what_is_not(log: Path, transcript: Transcript, stored: str | None, seconds: float, code: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        check(transcript, stored=stored, log=log, seconds=seconds, deadline_s=30.0)
    assert caught.value.code == code


def test_the_log_has_one_error() -> None:
    assert sum("ERROR" in line for line in find_log().read_text().splitlines()) == 1


def test_where_the_time_went() -> None:
    transcript = finished()
    transcript.moments |= {"status:running": 2.5, "first_token": 3.0}
    transcript.usage = {"model_ms": 400}
    transcript.tool_s = 0.1
    lines = split_times(transcript, start=0.0, ready=1.0, submitted=2.0, end=4.0)
    figures: dict[str, Any] = {line[:22].strip(): int(line[22:].split()[0]) for line in lines}
    assert figures == {
        "agent and upload": 1000,
        "submitted": 1000,
        "until it ran": 500,
        "until the first token": 500,
        "in the model": 400,
        "in tools": 100,
        "between them": 1000,
    }


def test_the_last_line() -> None:
    transcript = finished()
    transcript.usage = {"turns": 3, "tool_calls": 2, "tool_calls_denied": 1, "total_tokens": 99}
    assert summary(transcript, 1.25) == "completed in 1.2 s: 3 turns, 2 tool calls (1 denied), 99 tokens"
    transcript.error = "model.failed"
    assert summary(transcript, 1.0) == "failed after 1.0 s: model.failed"


def test_a_checkout_without_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_checkout", lambda: Checkout(tmp_path))
    with pytest.raises(PreconditionError) as caught:
        find_log()
    assert caught.value.code == "demo.no_log"
