"""What `skerry stack` prints; what it does is tried on real containers."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.host.programs import podman_saying

from skerry.base import clock
from skerry.base.errors import SkerryError
from skerry.base.paths import find_checkout
from skerry.cli import stack
from skerry.cli.main import main
from skerry.host import local
from skerry.host.local import load_plan
from skerry.host.state import State
from skerry.host.status import Row, not_well

if TYPE_CHECKING:
    from pathlib import Path


def row(name: str, *, detail: str = "", memory: int = 0) -> Row:
    since = clock.rfc3339(clock.now() - timedelta(hours=3))
    return Row(
        name, "service", "paused" if detail else "running", not detail, detail, since, "localhost/a/b:1", 0, memory
    )


def test_the_table_names_who_is_not_well(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row("api", memory=50 << 20), row("opa", detail="it is paused")]
    stack.print_table(rows)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["api", "running", "3h", "0", "50", "b:1"]
    assert lines[3].strip() == "it is paused"
    assert lines[-1] == "50 MiB together. Not well: opa"
    assert [item.name for item in not_well(rows)] == ["opa"]


@pytest.mark.parametrize(
    ("api", "lines"),
    [
        ({"error": "it does not answer"}, ["The API: it does not answer"]),
        ({"status": "healthy", "components": {"opa": {"status": "healthy"}}}, ["The API says it is healthy."]),
        (
            {"status": "degraded", "components": {"opa": {"status": "unhealthy", "code": "opa.unavailable"}}},
            ["The API says it is degraded.", "  opa: unhealthy (opa.unavailable)"],
        ),
    ],
)
def test_the_apis_own_words(api: dict[str, Any], lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    stack.print_api(api)
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize(
    ("since", "age"),
    [
        (timedelta(seconds=5), "5s"),
        (timedelta(minutes=5), "5m"),
        (timedelta(hours=5), "5h"),
        (timedelta(days=5), "5d"),
    ],
)
def test_ages(since: timedelta, age: str) -> None:
    moment = (clock.now() - since).isoformat().replace("+00:00", "123Z")
    assert stack.age_of(moment) == age


@pytest.mark.parametrize("moment", ["", "yesterday", "0001-01-01T00:00:00Z"])
def test_no_age(moment: str) -> None:
    assert stack.age_of(moment) == "-"


def test_a_service_is_found_by_its_name() -> None:
    plan = load_plan(find_checkout(), State(find_checkout().root / "none"))
    assert stack.container_of("postgres", plan, {"skerry-postgres": 1}) == "skerry-postgres"
    for name, code in (("gone", "host.unknown_service"), ("api", "host.not_created")):
        with pytest.raises(SkerryError) as caught:
            stack.container_of(name, plan, {})
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("words", "answer", "status", "cleans"),
    [
        (["clean"], "y\n", 0, True),
        (["clean"], "n\n", 130, False),
        (["clean"], "\n", 130, False),
        (["clean"], "", 130, False),
        (["clean", "--yes"], "", 0, True),
    ],
)
def test_clean_asks_before_it_removes(  # noqa: PLR0913  one row a question
    words: list[str],
    answer: str,
    status: int,
    *,
    cleans: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cleaned: list[State] = []
    monkeypatch.setenv("SKERRY_STATE", str(tmp_path))
    monkeypatch.setattr(stack.Here, "podman", lambda _: podman_saying(tmp_path, {}))
    monkeypatch.setattr(local, "clean", lambda _podman, state, **_: cleaned.append(state))
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert main(["stack", *words]) == status
    assert cleaned == ([State(tmp_path)] if cleans else [])
    assert (f"of the stack in {tmp_path}?" in capsys.readouterr().out) == ("--yes" not in words)


def test_logs_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SKERRY_STATE", str(tmp_path))
    monkeypatch.setattr(stack.Here, "podman", lambda _: podman_saying(tmp_path, {"ps": "[]"}))
    assert main(["stack", "logs"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("[host.nothing_runs]")
    assert "skerry stack up" in second
