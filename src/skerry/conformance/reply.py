"""What came back for one request, and words for it that are safe to print.

Contract: whatever a server sends ends up here as data. Texts of models and servers are cut, and what a terminal would
obey is shown as an escape.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from skerry.agent.completion import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

OK: Final = 200
CLIENT_ERRORS: Final = range(400, 500)
SERVER_ERRORS: Final = range(500, 600)
QUOTE_CHARS: Final = 160


@dataclass(frozen=True)
class Reply:
    """One answer.

    Args:
        status: of HTTP; 0 when none came.
        failure: why there is no whole answer (`no answer within 60 s`), in words; empty when there is one.
        late: whether the failure is the deadline's.
        content_type: of the answer, without parameters.
        text: the body as text, cut.
        data: the body as JSON; None for a stream and for what is no JSON.
        events: pieces of a stream.
        done: whether the stream ended with `[DONE]`.
        answer: text, calls and figures as an agent would get them.
        seconds: from the request to the end of the answer.
    """

    status: int = 0
    failure: str = ""
    late: bool = False
    content_type: str = ""
    text: str = ""
    data: Any = None
    events: tuple[Mapping[str, Any], ...] = ()
    done: bool = False
    answer: Answer = field(default_factory=Answer)
    seconds: float = 0.0

    @property
    def came(self) -> bool:
        """Whether it is a whole answer with status 200."""
        return self.status == OK and not self.failure

    @property
    def refused(self) -> bool:
        """Whether the server said that the request is at fault."""
        return self.status in CLIENT_ERRORS and not self.failure

    @property
    def error(self) -> str:
        """The server's own words for a refusal."""
        return error_words(self.data) or self.text

    def told(self) -> str:
        """Return what came, in words."""
        if self.failure:
            return self.failure
        if self.status != OK:
            return f"status {self.status}: {quote(self.error)}"
        calls = ", ".join(f"{call.name}({quote(call.arguments, marks=False)})" for call in self.answer.calls)
        said = f"the text {quote(self.answer.content)}" if self.answer.content else "no text"
        return f"{f'the call {calls}' if calls else 'no call'} and {said}{self._end()}"

    def _end(self) -> str:
        if self.answer.finish_reason == "length":
            return f", cut off after {self.answer.completion_tokens} tokens"
        return "" if self.answer.finish_reason else ", broken off by the server"


def error_words(data: Any) -> str:
    """Return the message of an error body in any of the shapes that servers use; nothing when it has none."""
    if not isinstance(data, dict):
        return ""
    for name in ("error", "message", "detail"):
        value = data.get(name)
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, str) and value:
            return value
    return ""


def quote(text: str, *, limit: int = QUOTE_CHARS, marks: bool = True) -> str:
    """Return a text cut, on one line, with everything unprintable escaped."""
    cut = text[:limit]
    plain = "".join(char if char.isprintable() else _escape(char) for char in cut)
    more = " ..." if len(text) > limit else ""
    return f'"{plain}"{more}' if marks else f"{plain}{more}"


def _escape(char: str) -> str:
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char, f"\\u{ord(char):04x}")
