"""Protocol cases: what any server must do with any model, also one that knows nothing.

Contract: no case here depends on what the model says. Where a case needs a text (to stop inside it, to compare it), it
takes the one that came; where it needs a call and none came, it passes and says so.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from skerry.conformance import offers
from skerry.conformance.case import (
    SHORT_TOKENS,
    Ask,
    Case,
    Subject,
    Verdict,
    assistant,
    called,
    every,
    judge,
    system,
    tool_result,
    user,
)
from skerry.conformance.checks import (
    LENGTH,
    STOP,
    came,
    counted,
    ended,
    grown,
    lives,
    missed,
    refused,
    same_answer,
    sound_calls,
    usage_of,
    well_formed,
)
from skerry.conformance.offers import name_of
from skerry.conformance.reply import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from skerry.conformance.case import Test
    from skerry.conformance.reply import Reply

HELLO: Final = user("Hello! Who are you, and what can you do?")
COUNT: Final = user("Count from one to twenty in words.")
UNICODE: Final = user("Grüße! Что это? 漢字かな 🦀👩‍🚀 שלום é — «quoted»")
WEATHER_ASK: Final = user("What is the weather in Oslo now?")
TOOLS: Final = (offers.WEATHER, offers.NOTE)
NAMES: Final = frozenset(map(name_of, TOOLS))
FIRST_ID, SECOND_ID = "call00001", "call00002"
"""Nine letters and digits: templates of the Mistral family take no other ids."""
PIECES_FROM_TOKENS: Final = 8
"""An answer of so many tokens has time to come in pieces."""
STOP_CHARS: Final = 3
WORD: Final = "note "
GROWTH_TOKENS: Final = 8
"""Fewer would be a rounding of the template; a tool's definition or a sentence costs more in any vocabulary."""


def protocol_cases(subject: Subject) -> tuple[Case, ...]:
    """Return the protocol cases in the order in which they are asked."""
    return (*_reach(subject), *_shape(), *_stop(subject), *_stream(), *_errors(), *_robust(subject), *_tools())


def _case(  # noqa: PLR0913  each part of a case is independent
    identifier: str,
    wants: str,
    steps: tuple[Ask | Callable[[tuple[Reply, ...]], Ask | None], ...],
    check: Callable[[tuple[Reply, ...]], Verdict],
    *,
    counts: bool = True,
    at_once: bool = False,
) -> Case:
    return Case(identifier, "protocol", wants, steps, check, counts, at_once)


# -- reach


def _reach(subject: Subject) -> tuple[Case, ...]:
    listing = Ask(path="/models", method="GET")
    return (
        _case("reach.answers", "a plain question gets an answer", (Ask((HELLO,)),), every(came)),
        _case("reach.models", "the list of models names this one", (listing,), every(_lists(subject.model))),
    )


def _lists(model: str) -> Test:
    def test(reply: Reply) -> str:
        data = reply.data.get("data") if reply.came and isinstance(reply.data, dict) else None
        if not isinstance(data, list):
            return missed("a list of models under `data`", quote(reply.text) if reply.came else reply.told())
        listed = [str(entry.get("id")) for entry in data if isinstance(entry, dict)]
        # Ollama takes a name without its tag and lists it with one.
        if model in listed or f"{model}:latest" in listed:
            return ""
        return missed(f"{model} in the list of models", quote(", ".join(listed)) if listed else "an empty list")

    return test


# -- shape


def _shape() -> tuple[Case, ...]:
    plain = Ask((HELLO,))
    return (
        _case("shape.answer", "an answer is a chat completion with one choice", (plain,), every(well_formed)),
        _case("shape.usage", "token counts are there and can be true", (plain,), every(came, counted(SHORT_TOKENS))),
        _case(
            "shape.history",
            "the model is shown the system message and earlier turns",
            (
                plain,
                Ask((system("You are the keeper of the lighthouse on the northern shore."), HELLO)),
                Ask((user("My dog is called Heron and my cat is called Otter."), assistant("Noted."), HELLO)),
            ),
            _is_shown,
        ),
        _case(
            "shape.unknown_field",
            "a field that nobody knows is ignored or refused",
            (Ask((HELLO,), settings={"skerry_unknown_field": {"a": [1]}}), plain),
            lambda replies: judge(lives(replies[0]) or came(replies[1])),
        ),
    )


def _is_shown(replies: tuple[Reply, ...]) -> Verdict:
    bare, with_system, with_turns = replies
    return judge(
        grown(bare, with_system, GROWTH_TOKENS, "the system message")
        or grown(bare, with_turns, GROWTH_TOKENS, "the earlier turns")
    )


# -- stop


def _stop(subject: Subject) -> tuple[Case, ...]:
    cut = Ask((COUNT,), max_tokens=1)
    counting = Ask((COUNT,), max_tokens=subject.answer_tokens)
    return (
        _case(
            "stop.length",
            "max_tokens ends the answer with `length`, whole and streamed",
            (cut, Ask((COUNT,), max_tokens=1, stream=True)),
            every(well_formed, ended(LENGTH), counted(1)),
        ),
        _case(
            "stop.sequence",
            "a stop sequence ends the text in front of it, whole and streamed",
            (counting, _stop_ask(counting, stream=False), _stop_ask(counting, stream=True)),
            _stopped,
        ),
    )


def stop_text(text: str) -> str:
    """Return a piece from inside a text, to stop at; nothing when it is too short to hold one.

    From the middle on if possible. A piece with U+FFFD is none: it stands for bytes that are no letter.
    """
    middle = len(text) // 2
    starts = (*range(middle, len(text) - STOP_CHARS + 1), *reversed(range(1, middle)))
    pieces = (text[start : start + STOP_CHARS] for start in starts)
    return next((piece for piece in pieces if "\ufffd" not in piece and text.index(piece)), "")


def _stop_ask(counting: Ask, *, stream: bool) -> Callable[[tuple[Reply, ...]], Ask | None]:
    def step(replies: tuple[Reply, ...]) -> Ask | None:
        piece = stop_text(replies[0].answer.content)
        # As a list the second time: servers take both.
        stop = [piece] if stream else piece
        return replace(counting, settings={"stop": stop}, stream=stream) if piece else None

    return step


def _stopped(replies: tuple[Reply, ...]) -> Verdict:
    whole = replies[0]
    if fault := came(whole):
        return judge(fault)
    piece = stop_text(whole.answer.content)
    if not piece:
        return judge(missed(f"a text of more than {STOP_CHARS} letters to stop in", whole.told()))
    wanted = whole.answer.content[: whole.answer.content.index(piece)]
    for reply in replies[1:]:
        fault = came(reply) or ended(STOP)(reply)
        if not fault and reply.answer.content != wanted:
            fault = missed(f"{quote(wanted)}, ended in front of {quote(piece)}", quote(reply.answer.content))
        if fault:
            return judge(fault)
    return judge("")


# -- stream


def _stream() -> tuple[Case, ...]:
    plain, streamed = Ask((HELLO,)), Ask((HELLO,), stream=True)
    count = Ask((COUNT,), stream=True)
    return (
        _case("stream.events", "a stream is pieces of one completion with an end", (streamed,), every(well_formed)),
        _case(
            "stream.same_text",
            "at temperature 0 the streamed answer is the whole one",
            (plain, streamed, plain),
            _alike,
        ),
        _case(
            "stream.usage",
            "the last piece has the token counts of the whole answer",
            (plain, streamed),
            _same_usage,
        ),
        _case("stream.pieces", "a text comes piece by piece, not at once", (count,), _in_pieces),
        _case(
            "stream.hang_up",
            "a caller that leaves in the middle harms nobody",
            (Ask((COUNT,), max_tokens=512, stream=True, hang_up=True), plain),
            lambda replies: judge(came(replies[1])),
        ),
    )


def _alike(replies: tuple[Reply, ...]) -> Verdict:
    # The first way is asked twice, because a busy server may round differently from one time to the next.
    first, other, again = replies
    fault = came(first) or came(other) or came(again)
    if fault:
        return judge(fault)
    faults = [same_answer(one.answer, other.answer) for one in (first, again)]
    return judge(faults[0] if all(faults) else "")


def _same_usage(replies: tuple[Reply, ...]) -> Verdict:
    plain, streamed = replies
    fault = came(plain) or came(streamed) or counted(SHORT_TOKENS)(streamed)
    wanted, got = usage_of(plain).get("prompt_tokens"), usage_of(streamed).get("prompt_tokens")
    if not fault and wanted != got:
        fault = missed(f"{wanted} tokens of the prompt, as without streaming", str(got))
    return judge(fault)


def _in_pieces(replies: tuple[Reply, ...]) -> Verdict:
    reply = replies[0]
    if fault := came(reply):
        return judge(fault)
    pieces = sum(
        bool((choice.get("delta") or {}).get("content") or (choice.get("delta") or {}).get("reasoning"))
        for event in reply.events
        for choice in event.get("choices") or []
    )
    tokens = reply.answer.completion_tokens
    if tokens < PIECES_FROM_TOKENS:
        return Verdict("pass", f"the answer of {tokens} tokens is too short to tell")
    return judge("" if pieces > 1 else missed(f"an answer of {tokens} tokens in pieces", f"{pieces} piece"))


# -- errors


def _errors() -> tuple[Case, ...]:
    lasting = Ask((HELLO,))

    def case(name: str, wants: str, ask: Ask, test: Test = refused, *, counts: bool = True) -> Case:
        steps = (ask, lasting)
        return _case(
            f"errors.{name}", wants, steps, lambda replies: judge(test(replies[0]) or came(replies[1])), counts=counts
        )

    unknown, odd = {"model": "skerry/no-such-model"}, {"temperature": "hot"}
    return (
        case("json", "a body that is no JSON is refused", Ask(body=b'{"model": "x", "messages": [')),
        case("type", "messages that are no list are refused", Ask(settings={"messages": "Hello"})),
        case("messages", "a request without messages is refused or answered, and harms nobody", Ask(()), lives),
        case(
            "model",
            "an unknown model is refused (servers of one model take any name)",
            Ask((HELLO,), settings=unknown),
            counts=False,
        ),
        case(
            "value",
            "a temperature that is no number is refused (some servers take their own instead)",
            Ask((HELLO,), settings=odd),
            counts=False,
        ),
    )


# -- context, unicode, load


def _robust(subject: Subject) -> tuple[Case, ...]:
    plain, streamed = Ask((UNICODE,)), Ask((UNICODE,), stream=True)
    long = user(WORD * (2 * subject.context_tokens))
    four = (plain, streamed, Ask((HELLO,)), Ask((HELLO,), stream=True))
    return (
        _case(
            "context.too_long",
            "a prompt twice as long as the context is refused or cut, and harms nobody",
            (Ask((long,), max_tokens=1), Ask((HELLO,))),
            _too_long,
        ),
        _case(
            "unicode.escapes",
            "letters as they are and as JSON escapes mean the same",
            (plain, Ask((UNICODE,), escaped=True), plain),
            _same_prompt,
        ),
        _case("unicode.streamed", "letters of several bytes are not cut by pieces", (plain, streamed, plain), _alike),
        _case(
            "unicode.nul",
            "a NUL character is taken or refused, and harms nobody",
            (Ask((user("before\0after"),)), plain),
            lambda replies: judge(lives(replies[0]) or came(replies[1])),
        ),
        _case("load.four", "four requests at once are all answered", four, every(well_formed), at_once=True),
    )


def _too_long(replies: tuple[Reply, ...]) -> Verdict:
    first, after = replies
    note = "" if first.refused else f"cut without a word: {first.answer.prompt_tokens} tokens of the prompt were read"
    return judge(lives(first) or came(after), note=note)


def _same_prompt(replies: tuple[Reply, ...]) -> Verdict:
    raw, escaped, _ = replies
    verdict = _alike(replies)
    wanted, got = raw.answer.prompt_tokens, escaped.answer.prompt_tokens
    if verdict.outcome == "pass" and wanted != got:
        return judge(missed(f"{wanted} tokens of the prompt both times", str(got)))
    return verdict


# -- tools


def _tools() -> tuple[Case, ...]:
    offered, bare = Ask((WEATHER_ASK,), TOOLS), Ask((WEATHER_ASK,))
    streamed = Ask((WEATHER_ASK,), TOOLS, stream=True)
    note = Ask((user("Keep the note: buy milk"),), TOOLS)
    odd = Ask((user("Store my settings: mode größer"),), (offers.ODD, offers.UPTIME))
    return (
        _case("tools.accepted", "a request that offers tools is answered", (offered,), every(well_formed)),
        _case(
            "tools.shown",
            "the model is shown the tools on offer",
            (bare, offered),
            lambda replies: judge(grown(replies[0], replies[1], 2 * GROWTH_TOKENS, "the tools")),
        ),
        _case("tools.schemas", "unions, enums, nesting and no arguments are accepted", (odd,), every(well_formed)),
        _case(
            "tools.parsed",
            "calls come as calls that can be carried out, never as text",
            (offered, streamed, note),
            _parsed,
        ),
        _case("tools.same_call", "streamed calls are the same", (offered, streamed, offered), _alike),
        _case(
            "tools.results",
            "results of earlier calls are taken and shown to the model",
            (_history("4 degrees"), _history("4 degrees, " + "light wind from the north, " * 8)),
            lambda replies: judge(
                well_formed(replies[0]) or grown(replies[0], replies[1], 2 * GROWTH_TOKENS, "a result")
            ),
        ),
        _case(
            "tools.cut_history",
            "an earlier call whose arguments are cut is taken or refused (the product does not send it)",
            (
                Ask(
                    (WEATHER_ASK, called((FIRST_ID, "get_weather", '{"city": "Os')), tool_result(FIRST_ID, "Error")),
                    TOOLS,
                ),
                bare,
            ),
            lambda replies: judge(lives(replies[0]) or came(replies[1])),
            counts=False,
        ),
        _case(
            "tools.cut_call",
            "an answer cut by max_tokens while tools are offered is an answer",
            (Ask((WEATHER_ASK,), TOOLS, max_tokens=6), Ask((WEATHER_ASK,), TOOLS, max_tokens=6, stream=True), bare),
            every(well_formed),
        ),
        _case(
            "tools.choice_none",
            "with tool_choice `none` no call comes (the product does not ask for it)",
            (Ask((WEATHER_ASK,), TOOLS, settings={"tool_choice": "none"}),),
            _none_called,
            counts=False,
        ),
    )


def _history(text: str) -> Ask:
    """Return a conversation in which two tools were called at once, with their results."""
    calls = called(
        (FIRST_ID, "get_weather", json.dumps({"city": "Oslo"})), (SECOND_ID, "write_note", json.dumps({"text": "Oslo"}))
    )
    return Ask((WEATHER_ASK, calls, tool_result(FIRST_ID, text), tool_result(SECOND_ID, "kept")), TOOLS)


def _parsed(replies: tuple[Reply, ...]) -> Verdict:
    fault = every(came, sound_calls(NAMES))(replies)
    called_any = any(reply.answer.calls for reply in replies)
    note = "" if called_any else "no call came: whether the model can call is for the ability cases"
    return fault if fault.outcome == "fail" else Verdict("pass", note)


def _none_called(replies: tuple[Reply, ...]) -> Verdict:
    reply = replies[0]
    return judge(came(reply) or (missed("no call", reply.told()) if reply.answer.calls else ""))
