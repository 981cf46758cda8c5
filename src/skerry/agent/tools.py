"""The built-in tools. They work on an execution's workspace and have no effect anywhere else.

Contract: a tool takes arguments as a model wrote them and returns an Outcome; what is wrong with them is told to the
model, never raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from skerry.agent.completion import parse_arguments
from skerry.agent.protocol import Outcome, clean
from skerry.base.errors import InvalidInputError, NotFoundError, SkerryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from skerry.agent.workspace import Workspace

READ_LIMIT_BYTES: Final = 1 << 20
"""Most bytes read of a file; the model is shown less (prompts.RESULT_LIMIT_CHARS)."""
BINARY_PROBE_BYTES: Final = 8192


async def read_file(workspace: Workspace, arguments: Mapping[str, Any]) -> Outcome:
    """Return the text of one file of the workspace."""
    path = arguments.get("path")
    if not isinstance(path, str):
        raise InvalidInputError("tool.bad_arguments", "path is missing or no string")
    local = await workspace.open(workspace.find(path))
    with local.open("rb") as stream:
        data = stream.read(READ_LIMIT_BYTES)
    if b"\0" in data[:BINARY_PROBE_BYTES]:
        raise InvalidInputError("file.not_text", "the file is not text")
    return Outcome("completed", clean(data.decode(errors="replace")))


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
