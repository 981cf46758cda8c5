"""`skerry bootstrap`: what it says, and how a failure inside the container comes out."""

from __future__ import annotations

import json
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.host.programs import podman_saying

from skerry.base.errors import InvalidInputError, NotFoundError, PreconditionError, SkerryError, UnavailableError
from skerry.base.paths import find_checkout
from skerry.bootstrap import read_arguments
from skerry.cli.bootstrap import hide_secrets, print_bootstrap, read_failure, run_inside
from skerry.host.local import load_plan
from skerry.host.state import State

if TYPE_CHECKING:
    from pathlib import Path


def failure(**told: Any) -> str:
    return json.dumps({"error": {"code": "x.y", "message": "what", "hint": "how", "status": 500, **told}})


@pytest.mark.parametrize(
    ("status", "kind"), [(400, InvalidInputError), (404, NotFoundError), (503, UnavailableError), (500, SkerryError)]
)
def test_an_error_keeps_its_code_and_kind(status: int, kind: type[SkerryError]) -> None:
    error = read_failure('{"time": "a log line"}\n' + failure(status=status))
    assert type(error) is kind
    assert (error.code, error.message, error.hint) == ("x.y", "what", "how")


@pytest.mark.parametrize("text", ["", "Traceback\nboom", "{}", '{"error": 1}', "[]", '{"error": {"code": "x"}}'])
def test_what_is_no_error_is_shown_as_it_is(text: str) -> None:
    error = read_failure(text)
    assert error.code == "bootstrap.failed"
    assert "skerry stack logs api" in error.hint


ANSWER = {
    "organization": {"id": "o1", "slug": "acme", "made": True},
    "administrator": {"id": "u1", "email": "ada@acme.test", "password": "once"},
    "api_key": {"id": "k1", "token": "the.key", "expires_at": "2027-01-01T00:00:00.000000Z"},
    "worker_queue": {"id": "q1", "name": "default"},
    "context": "/var/lib/skerry/local/context.toml",
}


def test_the_first_run_shows_key_and_password(capsys: pytest.CaptureFixture[str]) -> None:
    print_bootstrap(ANSWER)
    said = capsys.readouterr().out
    assert "acme (o1) made" in said
    assert "once" in said
    assert "the.key" in said


def test_hidden_they_are_kept_in_files_and_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = hide_secrets(State(tmp_path), ANSWER)
    kept = tmp_path / "passwords" / "acme.ada@acme.test"
    assert kept.read_text() == "once\n"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (kept, kept.parent)] == [0o600, 0o700]
    print_bootstrap(answer)
    said = capsys.readouterr().out + json.dumps(answer)
    assert "the.key" not in said
    assert "once" not in said
    assert f"password, kept in {kept}" in said
    assert "kept for the commands of this host in /var/lib/skerry/local/context.toml" in said
    again = hide_secrets(State(tmp_path), {**ANSWER, "api_key": None, "administrator": {"password": None}})
    assert again["api_key"] is None


def test_the_demo_shows_no_secret_and_no_next_step() -> None:
    recipe = (find_checkout().root / "Makefile").read_text().partition("\ndemo:")[2].partition("\n\n")[0]
    assert "up --no-next" in recipe
    assert "--hide-secrets" in recipe
    assert not re.match(r"[^\n]*\bup\b", recipe), "`up` says what to do next"


def test_a_second_run_says_that_all_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    again = {
        **ANSWER,
        "organization": {"id": "o1", "slug": "acme", "made": False},
        "administrator": {"id": "u1", "email": "ada@acme.test", "password": None},
        "api_key": None,
    }
    print_bootstrap(again)
    said = capsys.readouterr().out
    assert "was there already" in said
    assert "--new-key" in said


def test_the_command_inside_reads_what_the_host_sends() -> None:
    options = read_arguments(["organization", "--organization=a", "--admin-email=b@c.de", "--queue=q", "--new-key"])
    assert (options.organization, options.admin_email, options.queue, options.new_key) == ("a", "b@c.de", "q", True)
    options = read_arguments(["pool-key", "--organization=a", "--queue=q"])
    assert (options.command, options.organization, options.queue) == ("pool-key", "a", "q")


def test_without_the_api_nothing_can_be_made(tmp_path: Path) -> None:
    plan = load_plan(find_checkout(), State(tmp_path))
    with pytest.raises(PreconditionError) as caught:
        run_inside(podman_saying(tmp_path, {"ps": "[]"}), plan, ["organization"])
    assert caught.value.code == "bootstrap.no_api"
