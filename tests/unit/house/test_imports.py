"""The import contracts forget no room, and the rules over imports that import-linter has no words for."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from typing import TYPE_CHECKING, Any

from skerry.base.paths import find_checkout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = find_checkout().root
SOURCE = ROOT / "src/skerry"
CONTRACTS: dict[str, dict[str, Any]] = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
MODULES = {
    place.stem
    for place in SOURCE.iterdir()
    if (place / "__init__.py").is_file() or (place.suffix == ".py" and place.stem != "__init__")
}


def named(lines: list[str]) -> set[str]:
    return {name for line in lines for name in re.findall(r"skerry\.(\w+)", line)}


def imports(file: Path) -> Iterator[str]:
    """Yield what a file imports, with full names; of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def foreign_repositories(file: Path, *, room: str) -> list[str]:
    return [name for name in imports(file) if re.fullmatch(rf"skerry\.(?!{room}\.)\w+\.repository", name)]


def outside_the_standard_library(file: Path) -> list[str]:
    return [name for name in imports(file) if name.split(".")[0] not in {*sys.stdlib_module_names, "skerry"}]


def test_every_module_has_its_place() -> None:
    placed = named([*CONTRACTS["control-plane"]["layers"], *CONTRACTS["host-side"]["layers"]])
    assert placed | named(CONTRACTS["apart"]["source_modules"]) == MODULES


def test_apart_is_apart_from_all_others() -> None:
    apart = CONTRACTS["apart"]
    assert named(apart["forbidden_modules"]) == MODULES - named(apart["source_modules"]) - {"base", "cli"}


def test_the_workers_side_stands_on_base_alone() -> None:
    assert CONTRACTS["agent"]["source_modules"] == ["skerry.agent"]
    assert named(CONTRACTS["agent"]["forbidden_modules"]) == MODULES - {"agent", "base"}


def test_rooms_reach_each_other_through_their_service() -> None:
    """Who wants another room's rows asks its service: the repository is the room's own."""
    files = sorted(SOURCE.rglob("*.py"))
    found = {str(file): foreign_repositories(file, room=file.relative_to(SOURCE).parts[0]) for file in files}
    assert {file: names for file, names in found.items() if names} == {}


def test_a_bare_host_needs_the_standard_library_only() -> None:
    rooms = named(CONTRACTS["standard-library"]["source_modules"])
    assert {"base", "bundle", "host", "stack", "images"} <= rooms
    files = [file for room in sorted(rooms) for file in (SOURCE / room).rglob("*.py")]
    found = {str(file): outside_the_standard_library(file) for file in files}
    assert {file: names for file, names in found.items() if names} == {}


def test_the_rules_find_what_they_forbid(tmp_path: Path) -> None:
    file = tmp_path / "service.py"
    file.write_text(
        "import os.path, httpx\n"
        "from skerry.agents import repository\n"
        "from skerry.agents.repository import find\n"
        "from skerry.users import repository as users, service\n"
    )
    assert foreign_repositories(file, room="agents") == ["skerry.users.repository"]
    assert foreign_repositories(file, room="files") == [
        "skerry.agents.repository",
        "skerry.agents.repository",
        "skerry.users.repository",
    ]
    assert outside_the_standard_library(file) == ["httpx"]
