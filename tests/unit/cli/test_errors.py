"""What a failure looks like on a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from skerry.base.errors import InvalidInputError
from skerry.cli import errors, main
from skerry.host.preflight import Finding, PreflightError

if TYPE_CHECKING:
    from collections.abc import Callable


def fail(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


def test_ours_is_two_lines_and_status_1() -> None:
    out = io.StringIO()
    error = InvalidInputError("stack.cycle", "a file:\n says something", "do this")
    assert errors.run(fail(error), stream=out) == 1
    assert out.getvalue() == "error: a file: says something [stack.cycle]\n  do this\n"


def test_every_finding_is_told() -> None:
    out = io.StringIO()
    error = PreflightError([Finding("a.b", "one", "mend one"), Finding("c.d", "two", "mend two")])
    assert errors.run(fail(error), stream=out) == 1
    assert out.getvalue().splitlines() == ["error: one [a.b]", "  mend one", "error: two [c.d]", "  mend two"]


def test_debug_shows_where() -> None:
    out = io.StringIO()
    errors.run(fail(InvalidInputError("a.b", "x", "y")), debug=True, stream=out)
    assert "Traceback" in out.getvalue()
    assert "in command" in out.getvalue()


def test_a_fault_of_ours_says_so() -> None:
    out = io.StringIO()
    assert errors.run(fail(ZeroDivisionError("division")), stream=out) == 1
    assert out.getvalue().splitlines() == [
        "error: unexpected ZeroDivisionError: division",
        "  this is a fault in Skerry; --debug shows where",
    ]


def test_an_interrupt_is_one_line_and_130() -> None:
    out = io.StringIO()
    assert errors.run(fail(KeyboardInterrupt()), stream=out) == 130
    assert len(out.getvalue().strip().splitlines()) == 1


def test_statuses_pass_through() -> None:
    assert errors.run(lambda: 3) == 3
    assert errors.run(lambda: None) == 0


@pytest.mark.parametrize("words", [["stack", "sink"], ["stack", "up", "--colour"], ["stack", "logs", "--tail", "x"]])
def test_wrong_use_is_two_lines_and_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "--help" in lines[1]


def test_help_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["stack", "--help"]) == 0
    assert "status" in capsys.readouterr().out
