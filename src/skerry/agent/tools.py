"""The built-in tools. They work on an execution's workspace and have no effect anywhere else.

Contract: a tool takes arguments as a model wrote them and returns an Outcome; what is wrong with them is told to the
model, never raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from skerry.agent import prompts
from skerry.agent.completion import parse_arguments
from skerry.agent.protocol import Outcome, clean
from skerry.base.errors import InvalidInputError, NotFoundError, SkerryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from skerry.agent.workspace import Workspace

LINE_LIMIT_BYTES: Final = 1 << 20
"""A longer line counts as several: what is held at a time stays small."""
BINARY_PROBE_BYTES: Final = 8192


async def read_file(workspace: Workspace, arguments: Mapping[str, Any]) -> Outcome:
    """Return the text of one file of the workspace, from line `start_line` on."""
    path = arguments.get("path")
    if not isinstance(path, str):
        raise InvalidInputError("tool.bad_arguments", "path is missing or no string")
    first = arguments.get("start_line", 1)
    if not isinstance(first, int) or isinstance(first, bool) or first < 1:
        raise InvalidInputError("tool.bad_arguments", "start_line is no whole number from 1 on")
    local = await workspace.open(workspace.find(path))
    lines, total = _lines(local, first)
    return Outcome("completed", prompts.render_lines(lines, first=first, total=total))


def _lines(file: Path, first: int) -> tuple[list[str], int]:
    """Return the lines from number `first` on, as many as a result can show and one more, and how many there are."""
    lines: list[str] = []
    total = room = 0
    with file.open("rb") as stream:
        if b"\0" in stream.read(BINARY_PROBE_BYTES):
            raise InvalidInputError("file.not_text", "the file is not text")
        stream.seek(0)
        while raw := stream.readline(LINE_LIMIT_BYTES):
            total += 1
            if total >= first and room <= prompts.RESULT_LIMIT_CHARS:
                lines.append(clean(raw.removesuffix(b"\n").decode(errors="replace")))
                room += len(lines[-1]) + 1
    return lines, total


TOOLS: Final[Mapping[str, Callable[[Workspace, Mapping[str, Any]], Awaitable[Outcome]]]] = {"read_file": read_file}


async def run_tool(workspace: Workspace, name: str, arguments: str) -> Outcome:
    """Run a built-in tool that has its permit; what is wrong with the arguments becomes an outcome."""
    tool, values = TOOLS.get(name), parse_arguments(arguments)
    if tool is None:
        return Outcome("failed", "there is no such tool", "tool.unknown")
    if values is None:
        return Outcome("failed", "the arguments are no JSON object", "tool.bad_arguments")
    try:
        return await tool(workspace, values)
    except (InvalidInputError, NotFoundError) as error:
        return _told(error)


def _told(error: SkerryError) -> Outcome:
    return Outcome("failed", error.message, error.code)
