"""An execution as a person follows it: tokens as they come, tool calls with their decisions, the end.

Contract: events go in, text comes out through `write`; what was said and decided is kept for whoever asks afterwards.
A message that a new attempt begins again is marked, not taken back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from skerry.client.http import ServerEvent

OUTPUT_CHARS: Final = 240
OUTPUT_LINES: Final = 3


@dataclass(frozen=True)
class ToolDecision:
    """What policy said of one tool call."""

    call: str
    tool: str
    arguments: Mapping[str, Any]
    permitted: bool
    rule: str
    reason: str


@dataclass
class Transcript:
    """What has happened so far."""

    write: Callable[[str], None]
    decisions: list[ToolDecision] = field(default_factory=list)
    status: str = ""
    response: str | None = None
    error: str = ""
    usage: dict[str, int] = field(default_factory=dict)
    moments: dict[str, float] = field(default_factory=dict)
    """When things happened first, by the clock of whoever reads: status:<name>, first_token, end."""
    tool_s: float = 0.0
    _said: dict[str, str] = field(default_factory=dict)
    _open: str = ""
    _started: dict[str, float] = field(default_factory=dict)

    def take(self, event: ServerEvent) -> None:
        """Take one event in, write what there is to read."""
        handler = {
            "status": self._status,
            "message": self._message,
            "message_chunk": self._chunk,
            "message_reset": self._reset,
            "permit": self._permit,
            "tool_started": self._tool_started,
            "tool_completed": self._tool_completed,
            "done": self._done,
            "error": self._error,
        }.get(event.kind)
        if handler is not None:
            handler(event)

    def _mark(self, name: str, event: ServerEvent) -> None:
        self.moments.setdefault(name, event.came_at)

    def _status(self, event: ServerEvent) -> None:
        self.status = str(event.data.get("status", ""))
        self._mark(f"status:{self.status}", event)

    def _message(self, event: ServerEvent) -> None:
        data = event.data
        if data.get("role") == "user":
            self._line(f"> {data.get('content', '')}")
            return
        said = self._said.get(data["message_id"], "")
        content = str(data.get("content", ""))
        self._mark("first_token", event)
        self._say(data["message_id"], content.removeprefix(said))

    def _chunk(self, event: ServerEvent) -> None:
        data = event.data["data"]
        self._mark("first_token", event)
        self._say(data["message_id"], str(data.get("content", "")))

    def _say(self, message_id: str, text: str) -> None:
        if self._open != message_id and text:
            self._close()
            self._open = message_id
        self._said[message_id] = self._said.get(message_id, "") + text
        if text:
            self.write(text)

    def _reset(self, event: ServerEvent) -> None:
        self._said.pop(event.data["data"]["message_id"], None)
        self._line("[the worker was lost; the answer begins again]")

    def _permit(self, event: ServerEvent) -> None:
        data = event.data["data"]
        decision = ToolDecision(
            call=data["tool_execution_id"],
            tool=data["tool_name"],
            arguments=data.get("tool_input") or {},
            permitted=data["decision"] == "permit",
            rule=data["rule"],
            reason=data["reason"],
        )
        self.decisions.append(decision)
        word = "permitted" if decision.permitted else "DENIED"
        asked = f"{decision.tool} {json.dumps(decision.arguments, ensure_ascii=False)}"
        why = "" if decision.permitted else f": {decision.reason}"
        self._line(f"  [{asked}] {word} by {decision.rule}{why}")

    def _tool_started(self, event: ServerEvent) -> None:
        self._started[event.data["data"]["tool_execution_id"]] = event.came_at

    def _tool_completed(self, event: ServerEvent) -> None:
        data = event.data["data"]
        begun = self._started.pop(data["tool_execution_id"], event.came_at)
        self.tool_s += event.came_at - begun
        if data.get("tool_status") == "denied":
            return
        self._line(f"  [{data['tool_name']}] {data['tool_status']}: {preview(data.get('tool_output') or {})}")

    def _done(self, event: ServerEvent) -> None:
        self._mark("end", event)
        self.response = event.data.get("response")
        self.usage = dict(event.data.get("usage") or {})
        self._close()

    def _error(self, event: ServerEvent) -> None:
        self._mark("end", event)
        self.error = str(event.data.get("error_type") or event.data.get("error") or "unknown")
        self._line(f"failed: {self.error}")

    def _line(self, text: str) -> None:
        self._close()
        self.write(text + "\n")

    def _close(self) -> None:
        if self._open:
            self.write("\n")
        self._open = ""


def preview(output: Mapping[str, Any]) -> str:
    """Return the beginning of a tool's output, on few lines."""
    if "error" in output:
        return f"{output['error']} ({output.get('message', '')})"
    content = str(output.get("content", ""))
    lines = content[:OUTPUT_CHARS].splitlines()
    shown = "\n      ".join(lines[:OUTPUT_LINES])
    count = len(content.splitlines())
    return f"{count} lines, {len(content)} characters\n      {shown}" + ("\n      ..." if count > OUTPUT_LINES else "")
