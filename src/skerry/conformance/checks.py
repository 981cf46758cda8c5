"""What is wanted of one reply: small tests that return what was missed, in words, or nothing.

Source: OpenAI API reference: the chat completion object, the chat completion chunk object, errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from skerry.agent.completion import parse_arguments
from skerry.conformance.reply import quote
from skerry.conformance.texts import find_call

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from skerry.agent.completion import Answer
    from skerry.conformance.case import Test
    from skerry.conformance.reply import Reply

FINISH_REASONS: Final = ("stop", "length", "tool_calls", "content_filter")
CALLS: Final = "tool_calls"
LENGTH: Final = "length"
STOP: Final = "stop"
USAGE: Final = ("prompt_tokens", "completion_tokens", "total_tokens")


def missed(wanted: str, came: str) -> str:
    """Return the words for a miss."""
    return f"wanted {wanted}; got {came}"


def came(reply: Reply) -> str:
    """Want a whole answer with status 200."""
    return "" if reply.came else missed("an answer", reply.told())


def lives(reply: Reply) -> str:
    """Want an answer or a refusal: no fault of the server's own, no broken connection, no silence."""
    return "" if reply.came or reply.refused else missed("an answer or a refusal with status 4xx", reply.told())


def refused(reply: Reply) -> str:
    """Want status 4xx with a JSON error that says something."""
    if not reply.refused:
        return missed("a refusal with status 4xx", reply.told())
    if not isinstance(reply.data, dict) or reply.error == reply.text:
        said = quote(reply.text)
        return missed("a JSON object with the error's message", f"status {reply.status}, {reply.content_type}: {said}")
    return ""


def well_formed(reply: Reply) -> str:
    """Want a chat completion, or a whole stream of its pieces, with one choice."""
    if fault := came(reply):
        return fault
    return stream_shape(reply) if reply.events or reply.done else _object_shape(reply.data)


def _object_shape(data: Any) -> str:
    if not isinstance(data, dict):
        return missed("a JSON object", type(data).__name__)
    fault = _head(data, "chat.completion")
    choices = data.get("choices")
    if fault or not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        return fault or missed("one choice", quote(str(choices)))
    message, ended = choices[0].get("message"), choices[0].get("finish_reason")
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return missed("a message with the role `assistant`", quote(str(message)))
    content, calls = message.get("content"), message.get("tool_calls")
    if not isinstance(content, str) and not (content is None and calls):
        return missed("text as content, or none beside calls", quote(str(content)))
    return "" if ended in FINISH_REASONS else missed(f"a finish_reason of {', '.join(FINISH_REASONS)}", repr(ended))


def _head(data: Mapping[str, Any], kind: str) -> str:
    if data.get("object") != kind:
        return missed(f"an object {kind}", repr(data.get("object"))[:80])
    for name, wanted in (("id", str), ("model", str), ("created", int)):
        if not isinstance(data.get(name), wanted) or not data[name]:
            return missed(f"a field `{name}` that is {wanted.__name__}", repr(data.get(name))[:80])
    return ""


def stream_shape(reply: Reply) -> str:
    """Want a stream: its type, pieces of one completion, one end, and `[DONE]`."""
    if reply.content_type != "text/event-stream":
        return missed("the content type text/event-stream", reply.content_type or "none")
    for event in reply.events:
        if fault := _head(event, "chat.completion.chunk"):
            return fault
    identifiers = {event["id"] for event in reply.events}
    if len(identifiers) != 1:
        return missed("one id in all pieces", f"{len(identifiers)} ids")
    ends = [
        choice["finish_reason"]
        for event in reply.events
        for choice in event.get("choices") or []
        if choice.get("finish_reason")
    ]
    if len(ends) != 1 or ends[0] not in FINISH_REASONS:
        return missed(f"one finish_reason of {', '.join(FINISH_REASONS)}", str(ends)[:80])
    return "" if reply.done else missed("[DONE] at the end of the stream", "an end without it")


def usage_of(reply: Reply) -> Mapping[str, Any]:
    """Return the figures of a reply: of a whole answer, or of the last piece that has any."""
    if reply.events:
        return next((event["usage"] for event in reversed(reply.events) if event.get("usage")), {})
    usage = reply.data.get("usage") if isinstance(reply.data, dict) else None
    return usage if isinstance(usage, dict) else {}


def counted(limit: int) -> Test:
    """Want token counts that can be true of an answer of at most `limit` tokens."""

    def test(reply: Reply) -> str:
        usage = usage_of(reply)
        prompt, completion, total = (figure if isinstance(figure := usage.get(name), int) else 0 for name in USAGE)
        if prompt > 0 and 0 < completion <= limit and total == prompt + completion:
            return ""
        return missed(f"token counts above 0, at most {limit} of the answer, and their sum", quote(str(dict(usage))))

    return test


def ended(*reasons: str) -> Test:
    """Want one of these finish reasons."""

    def test(reply: Reply) -> str:
        got = reply.answer.finish_reason
        return "" if got in reasons else missed(f"finish_reason {' or '.join(reasons)}", f"{got!r} with {reply.told()}")

    return test


def sound_calls(names: Collection[str]) -> Test:
    """Want calls that can be carried out: known tools, JSON objects, ids of their own; and none left in the text."""

    def test(reply: Reply) -> str:
        answer = reply.answer
        if found := find_call(answer.content, names):
            return missed("calls in `tool_calls`", f"one in the text: {quote(found)}")
        if fault := next((fault for call in raw_calls(reply) if (fault := _call_shape(call, names))), ""):
            return fault
        if len({call["id"] for call in raw_calls(reply)}) != len(raw_calls(reply)):
            return missed("an id of its own for each call", "one id twice")
        if bool(answer.calls) != (answer.finish_reason == CALLS) and answer.finish_reason != LENGTH:
            wanted = f"finish_reason {CALLS} exactly with calls"
            return missed(wanted, f"{answer.finish_reason!r} with {len(answer.calls)} calls")
        return ""

    return test


def _call_shape(call: Mapping[str, Any], names: Collection[str]) -> str:
    if not call["id"] or call["type"] != "function":
        return missed("a call with an id and the type `function`", f"id {call['id']!r}, type {call['type']!r}")
    if call["name"] not in names:
        return missed(f"a call of {' or '.join(sorted(names))}", quote(call["name"]))
    if parse_arguments(call["arguments"]) is None:
        return missed("arguments that are a JSON object", quote(call["arguments"]))
    return ""


def raw_calls(reply: Reply) -> Sequence[Mapping[str, Any]]:
    """Return the calls with what the server itself gave of them: id, type, name, arguments."""
    types = list(_given(reply, "type"))
    identifiers = list(_given(reply, "id"))
    return [
        {
            "id": identifiers[n] if n < len(identifiers) else "",
            "type": types[n] if n < len(types) else "",
            "name": call.name,
            "arguments": call.arguments,
        }
        for n, call in enumerate(reply.answer.calls)
    ]


def _given(reply: Reply, name: str) -> Sequence[str]:
    """Return what stands under `name` in the calls of a whole answer, or in the pieces that open one."""
    if not reply.events:
        message = reply.data["choices"][0]["message"] if reply.answer.calls else {}
        return [str(call.get(name) or "") for call in message.get("tool_calls") or []]
    return [
        str(piece.get(name) or "")
        for event in reply.events
        for choice in event.get("choices") or []
        for piece in (choice.get("delta") or {}).get("tool_calls") or []
        if (piece.get("function") or {}).get("name")
    ]


def same_answer(one: Answer, other: Answer) -> str:
    """Want two answers to be one: text, calls and end."""
    if one.content != other.content:
        return missed(f"the same text {quote(one.content)}", quote(other.content))
    if told_calls(one) != told_calls(other):
        return missed(f"the same calls {quote(str(told_calls(one)))}", quote(str(told_calls(other))))
    if one.finish_reason != other.finish_reason:
        return missed(f"the same finish_reason {one.finish_reason!r}", repr(other.finish_reason))
    return ""


def told_calls(answer: Answer) -> list[tuple[str, object]]:
    """Return calls as name and arguments, these as an object where they are one."""
    return [(call.name, _object(call.arguments)) for call in answer.calls]


def _object(arguments: str) -> object:
    parsed = parse_arguments(arguments)
    return arguments if parsed is None else parsed


def grown(less: Reply, more: Reply, tokens: int, what: str) -> str:
    """Want the second prompt to count at least `tokens` more than the first: the model was shown `what`."""
    fault = came(less) or came(more)
    by = more.answer.prompt_tokens - less.answer.prompt_tokens
    if fault or by >= tokens:
        return fault
    return missed(
        f"the prompt to grow by {what}", f"{less.answer.prompt_tokens} tokens, then {more.answer.prompt_tokens}"
    )
