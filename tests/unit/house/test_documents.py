"""What documents, hints and help name is there: targets of make, paths, commands of skerry and their options."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import pytest
import typer

from skerry.base.paths import find_checkout
from skerry.base.process import run
from skerry.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = find_checkout().root
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = sorted(set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)))
DOCUMENTS = sorted(
    ROOT / name for name in run(["git", "-C", ROOT, "ls-files", "-z", "*.md"]).stdout.split("\0") if name
)
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TOP = sorted(place.name for place in ROOT.iterdir() if place.is_dir() and not place.name.startswith("."))
# A command stands in backticks, alone on a line of code, or after a colon, a bracket or a variable in a hint.
COMMAND = re.compile(r"(?:`|^    |: |\(|SKERRY_STATE=\S* ?)skerry ([a-z][^`\n,;:().]*)", re.MULTILINE)
MAKE = re.compile(r"(?:`|^    |run: |with: )make ([a-z-]+)", re.MULTILINE)
PATH = re.compile(rf"(?<![\w/.<>@-])((?:{'|'.join(TOP)})/[\w./-]+)")


def strings(source: Path) -> Iterator[str]:
    """Yield the texts of a source: what is inserted into one counts as an end."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def texts() -> dict[str, str]:
    """Return every text that names commands to people, by the file it stands in."""
    found = {document: document.read_text() for document in DOCUMENTS}
    found |= {source: "\n".join(strings(source)) for source in SOURCES}
    found |= {script: script.read_text() for script in (ROOT / "scripts").iterdir() if script.is_file()}
    return {str(file.relative_to(ROOT)): text for file, text in found.items()}


TEXTS = texts()


def unknown_in(command: str) -> list[str]:
    """Return the words of `skerry ...` that name no command and no option."""
    at: Any = typer.main.get_command(app)
    wrong = []
    for word in command.split():
        below: dict[str, Any] = getattr(at, "commands", {})
        if below:
            choices = word.split("|")
            wrong += [choice for choice in choices if choice not in below]
            at = below.get(choices[0], at)
        elif word.startswith("--"):
            known = {name for option in at.params for name in (*option.opts, *option.secondary_opts)}
            wrong += [word] if word.partition("=")[0] not in known else []
    return wrong


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("stack up --name example", []),
        ("stack up|down", []),
        ("images", []),
        ("stack fly", ["fly"]),
        ("stack up --fly", ["--fly"]),
        ("stack up|fly", ["fly"]),
        ("fly", ["fly"]),
    ],
)
def test_a_word_that_is_no_command_is_found(command: str, wrong: list[str]) -> None:
    assert unknown_in(command) == wrong


def test_every_command_that_is_named_exists() -> None:
    named = [(file, command) for file, text in TEXTS.items() for command in COMMAND.findall(text)]
    assert {"CHANGELOG.md", "docs/decisions/0005-local-networks.md", "src/skerry/host/local.py"} <= dict(named).keys()
    assert len(named) > 30
    assert [(file, command) for file, command in named if unknown_in(command)] == []


def test_every_target_that_is_named_exists() -> None:
    named = [(file, target) for file, text in TEXTS.items() for target in MAKE.findall(text)]
    assert {"up", "demo", "test", "images"} <= {target for _, target in named}
    assert [(file, target) for file, target in named if target not in TARGETS] == []


def test_every_path_that_is_named_exists() -> None:
    named = [(file, path.rstrip(".")) for file, text in TEXTS.items() for path in PATH.findall(text)]
    assert {"docs/decisions/", "requirements/dev.txt"} <= {path for _, path in named}
    gone = [
        (file, path) for file, path in named if not (ROOT / path).exists() and not (ROOT / "src/skerry" / path).exists()
    ]
    assert gone == []


def test_every_decision_is_listed_by_its_title() -> None:
    folder = ROOT / "docs/decisions"
    pages = sorted(folder.glob("[0-9]*.md"))
    titles = [page.read_text().partition("\n")[0].removeprefix("# ") for page in pages]
    assert [title[:4] for title in titles] == [page.name[:4] for page in pages]
    listed = re.findall(r"^- \[(\d{4})\]\((.+)\) (.+)$", (folder / "README.md").read_text(), re.MULTILINE)
    assert listed == [(title[:4], page.name, title[5:]) for title, page in zip(titles, pages, strict=True)]
    assert len({title[:4] for title in titles}) == len(titles)


def test_make_help_tells_of_every_target() -> None:
    phony = {name for line in re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE) for name in line.split()}
    assert phony == set(TARGETS)
    lines = run(["make", "-C", ROOT, "--no-print-directory", "help"]).stdout.splitlines()
    assert sorted(line.split()[0] for line in lines) == TARGETS
    assert all(len(line.split()) > 2 for line in lines)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_made(target: str, tmp_path: Path) -> None:
    """As far as can be said without making it: what it stands on is there, and it does something."""
    done = run(["make", "-C", ROOT, "--dry-run", target], env={"TMPDIR": str(tmp_path)})
    assert done.stdout.strip()
