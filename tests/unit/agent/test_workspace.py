"""Workspaces and the tool that reads them: nothing outside, nothing unchecked."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from skerry.agent import prompts
from skerry.agent.protocol import Entry
from skerry.agent.tools import LINE_LIMIT_BYTES, run_tool
from skerry.agent.workspace import PATH_LIMIT_CHARS, BlobCache, Workspace, check_path
from skerry.base.errors import IntegrityError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

RUN = "0190c0de-0000-7000-8000-000000000001"


class Blobs:
    """Serves blobs by digest, in pieces, and counts."""

    def __init__(self, *contents: bytes) -> None:
        self.held = {hashlib.sha256(content).hexdigest(): content for content in contents}
        self.asked: list[str] = []

    async def blob(self, execution_id: str, sha256: str) -> AsyncIterator[bytes]:
        assert execution_id == RUN
        self.asked.append(sha256)
        for start in range(0, len(self.held[sha256]), 7):
            yield self.held[sha256][start : start + 7]


def entry_of(path: str, content: bytes) -> Entry:
    return Entry(path, 0o644, len(content), hashlib.sha256(content).hexdigest())


def workspace_of(folder: Path, **files: bytes) -> tuple[Workspace, Blobs]:
    blobs = Blobs(*files.values())
    named = {path.replace("__", "/").replace("_", "."): content for path, content in files.items()}
    entries = {path: entry_of(path, content) for path, content in named.items()}
    return Workspace(RUN, entries, BlobCache(folder, blobs)), blobs


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(
    ("path", "clean"),
    [("app.log", "app.log"), ("./logs//app.log", "logs/app.log"), ("..notes", "..notes"), (".", ".")],
)
def test_paths_inside(path: str, clean: str) -> None:
    assert check_path(path) == clean


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret", "a/../../b", "..", "a\\..\\b"])
def test_paths_outside(path: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_path(path)
    assert caught.value.code == "file.outside_workspace"


@pytest.mark.parametrize("path", ["", "a\0b", "a\nb", "x" * (PATH_LIMIT_CHARS + 1)])
def test_paths_that_are_none(path: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_path(path)
    assert caught.value.code == "file.bad_path"


async def test_a_file_is_fetched_once_and_checked(tmp_path: Path) -> None:
    workspace, blobs = workspace_of(tmp_path, app_log=b"ERROR it broke\n")
    for _ in range(2):
        outcome = await run_tool(workspace, "read_file", '{"path": "app.log"}')
        assert (outcome.status, outcome.content) == ("completed", "ERROR it broke")
    assert len(blobs.asked) == 1


async def test_an_empty_file_is_read(tmp_path: Path) -> None:
    workspace, _ = workspace_of(tmp_path, empty_log=b"")
    assert (await run_tool(workspace, "read_file", '{"path": "empty.log"}')).content == "[the file is empty]"


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("read_file", '{"path": "missing.log"}', "file.not_found"),
        ("read_file", '{"path": "logs"}', "file.is_folder"),
        ("read_file", '{"path": "."}', "file.is_folder"),
        ("read_file", '{"path": "../x"}', "file.outside_workspace"),
        ("read_file", '{"path": 7}', "tool.bad_arguments"),
        ("read_file", "{}", "tool.bad_arguments"),
        ("read_file", '{"path"', "tool.bad_arguments"),
        ("read_file", '{"path": "bin.dat"}', "file.not_text"),
        ("launch", "{}", "tool.unknown"),
    ],
)
async def test_what_the_model_is_told(tmp_path: Path, name: str, arguments: str, code: str) -> None:
    workspace, _ = workspace_of(tmp_path, logs__app_log=b"x", bin_dat=b"ELF\0\1")
    outcome = await run_tool(workspace, name, arguments)
    assert (outcome.status, outcome.code) == ("failed", code)


async def test_a_long_file_is_read_in_parts_that_make_the_whole(tmp_path: Path) -> None:
    written = [f"line {number} {'x' * (number % 90)}" for number in range(1, 1201)]
    workspace, _ = workspace_of(tmp_path, long_log="\n".join(written).encode() + b"\n")
    seen: list[str] = []
    for _ in range(20):
        arguments = json.dumps({"path": "long.log", "start_line": len(seen) + 1})
        content = (await run_tool(workspace, "read_file", arguments)).content
        *lines, last = content.split("\n")
        seen += lines
        if not last.startswith("[cut at line"):
            seen.append(last)
            break
        assert last == f"[cut at line {len(seen)} of 1200: read on with start_line {len(seen) + 1}]"
        assert len(content) <= prompts.RESULT_LIMIT_CHARS + 80
    assert seen == written
    beyond = await run_tool(workspace, "read_file", '{"path": "long.log", "start_line": 1201}')
    assert beyond.content == "[the file ends at line 1200]"


async def test_a_line_without_end_is_cut_and_held_in_parts(tmp_path: Path) -> None:
    workspace, _ = workspace_of(tmp_path, big_log=b"x" * (2 * LINE_LIMIT_BYTES + 10))
    content = (await run_tool(workspace, "read_file", '{"path": "big.log"}')).content
    assert content.startswith("x" * prompts.RESULT_LIMIT_CHARS + "\n[cut: ")
    assert content.endswith("[cut at line 1 of 3: read on with start_line 2]")


@pytest.mark.parametrize("start", ["0", "-1", "1.5", '"2"', "true", "null"])
async def test_a_start_line_is_a_whole_number(tmp_path: Path, start: str) -> None:
    workspace, _ = workspace_of(tmp_path, app_log=b"x")
    outcome = await run_tool(workspace, "read_file", f'{{"path": "app.log", "start_line": {start}}}')
    assert (outcome.status, outcome.code) == ("failed", "tool.bad_arguments")


async def test_bytes_that_are_no_utf8_are_replaced(tmp_path: Path) -> None:
    workspace, _ = workspace_of(tmp_path, latin_log=b"caf\xe9 " + b"y" * 9000 + b"\0")
    content = (await run_tool(workspace, "read_file", '{"path": "latin.log"}')).content
    assert content.startswith("caf\ufffd ")
    assert "\0" not in content


async def test_other_bytes_than_named_are_refused(tmp_path: Path) -> None:
    good = b"0123456789"
    blobs = Blobs(good)
    digest = hashlib.sha256(good).hexdigest()
    for wrong in (b"0123456780", b"012345678", b"0123456789+"):
        blobs.held[digest] = wrong
        with pytest.raises(IntegrityError) as caught:
            await BlobCache(tmp_path, blobs).get(RUN, entry_of("a", good))
        assert caught.value.code == "workspace.digest"
    assert names_in(tmp_path) == []


async def test_a_digest_that_is_a_path_is_refused(tmp_path: Path) -> None:
    entry = Entry("a", 0o644, 1, "../" * 21 + "x")
    with pytest.raises(IntegrityError):
        await BlobCache(tmp_path, Blobs()).get(RUN, entry)


async def test_the_cache_drops_what_was_not_used(tmp_path: Path) -> None:
    contents = [bytes([n]) * 100 for n in range(5)]
    blobs = Blobs(*contents)
    cache = BlobCache(tmp_path, blobs, limit_bytes=250)
    for content in contents:
        await cache.get(RUN, entry_of("a", content))
    assert len(names_in(tmp_path)) <= 3


def test_what_is_not_there(tmp_path: Path) -> None:
    workspace, _ = workspace_of(tmp_path)
    with pytest.raises(NotFoundError):
        workspace.find("a")
