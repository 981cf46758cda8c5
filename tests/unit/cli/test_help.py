"""`--help` of every command, word for word: what a person reads is changed on purpose only.

After a change on purpose: SKERRY_UPDATE_VECTORS=1 make unit
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from skerry.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Iterator

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "help"
UPDATE = "SKERRY_UPDATE_VECTORS"
WIDTH = "100"


def commands() -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and group."""
    todo: list[tuple[tuple[str, ...], object]] = [((), typer.main.get_command(app))]
    while todo:
        words, command = todo.pop(0)
        yield words
        below: dict[str, object] = getattr(command, "commands", {})
        todo += [((*words, name), below[name]) for name in sorted(below)]


@pytest.mark.parametrize("words", list(commands()), ids=lambda words: " ".join(words) or "skerry")
def test_help_is_as_recorded(words: tuple[str, ...]) -> None:
    environment = {"COLUMNS": WIDTH, "TERMINAL_WIDTH": WIDTH, "NO_COLOR": "1", "TERM": "dumb"}
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="skerry", env=environment)
    assert result.exit_code == 0
    text = "\n".join(line.rstrip() for line in result.output.splitlines()) + "\n"
    vector = VECTORS / ("_".join(("skerry", *words)) + ".txt")
    if os.environ.get(UPDATE):  # noqa: TID251  a test's own switch
        vector.parent.mkdir(parents=True, exist_ok=True)
        vector.write_text(text)
    assert vector.is_file(), f"no record of this command: {UPDATE}=1 make unit"
    assert text == vector.read_text()


def test_no_record_is_left_of_a_command_that_is_gone() -> None:
    known = {"_".join(("skerry", *words)) + ".txt" for words in commands()}
    assert {file.name for file in VECTORS.iterdir()} <= known
