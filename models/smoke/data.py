"""Conversations the smoke model learns from, made from a seed, and how they become tokens.

A conversation is a system text, perhaps an earlier ask, an ask, the calls with what they returned, and the answer; or
small talk; or an ask for which there is no tool. Every text of the product comes from skerry.agent.prompts.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from models.smoke import chat, logs, phrases, speech, values
from models.smoke.strangers import stranger
from models.smoke.tasks import LONG, NOUNS, VERBS, Mix, Step, Task, task
from models.smoke.tokenizer import START, Tokenizer, train
from models.smoke.values import chance

from skerry.agent import prompts

if TYPE_CHECKING:
    from random import Random

ALL_TOOLS: Final = list(prompts.TOOLS.values())
GREETED: Final = "Hello. Tell me what to do with your files."
THANKED: Final = "You are welcome."
ABLE: Final = "I work with the files in the workspace: I read, write and list them, and I run commands."
UNSURE: Final = "Name a file, please."
NO_TOOL: Final = "I cannot do that: I have no tool for it."
TALK: Final = 0.05
NOT_OURS: Final = 0.05


@dataclass(frozen=True)
class Conversation:
    """Messages in order, the tools on offer, and what kind of ask it is."""

    kind: str
    messages: list[chat.Message]
    tools: list[dict[str, Any]]


def _system(random: Random, *, held_out: bool) -> str:
    agents = phrases.part(speech.AGENTS, held_out=held_out)
    made = " ".join(values.word(random) for _ in range(random.randint(3, 14))).capitalize() + "."
    prompts_of_agents = (None, random.choice(agents), " ".join(random.sample(agents, 2)), made)
    return prompts.render_system(random.choices(prompts_of_agents, (35, 40, 15, 10))[0])


def _around(random: Random, ask: str, *, held_out: bool) -> str:
    """Return the ask with what people put around it."""
    if chance(random, 0.18):
        ask = f"{phrases.phrase(random, speech.BEFORE, held_out=held_out)} {ask}"
    if chance(random, 0.12) and ask[-1] in ".?":
        ask = f"{ask} {phrases.phrase(random, speech.AFTER, held_out=held_out)}"
    if chance(random, 0.08):
        ask = ask[0].lower() + ask[1:]
    if chance(random, 0.06) and ask[-1] in ".?" and "`" not in ask:
        ask = ask[:-1]
    return ask


def _offer(random: Random) -> list[dict[str, Any]]:
    """Return the tools on offer: mostly all, often one, sometimes any."""
    kind = random.random()
    if kind < 0.6:
        return ALL_TOOLS
    if kind < 0.75:
        return [prompts.READ_FILE]
    return [tool for tool in ALL_TOOLS if chance(random, 0.55)]


def _names(tools: list[dict[str, Any]]) -> set[str]:
    return {tool["function"]["name"] for tool in tools}


def played(made: Task) -> list[chat.Message]:
    """Return the messages of a task, from the ask to the answer."""
    messages: list[chat.Message] = [{"role": "user", "content": made.ask}]
    for step in made.steps:
        messages.append(chat.call(step.tool, step.arguments))
        messages.append({"role": "tool", "tool_call_id": "call_0", "content": step.result})
    return [*messages, {"role": "assistant", "content": made.answer}]


def without(made: Task, offered: set[str]) -> Task:
    """Return the task as it goes when only these tools are on offer: what lacks its tool is said to be impossible."""
    for at, step in enumerate(made.steps):
        if step.tool not in offered and step.tool in VERBS:
            said = f"I cannot {VERBS[step.tool]} {NOUNS[step.tool]}: I have no tool for it."
            before = made.answer.rpartition("\n")[0] if made.kind == "two" and at == len(made.steps) - 1 else ""
            answer = f"{before}\n{said}" if before else said
            return replace(made, kind="no tool", steps=made.steps[:at], answer=answer)
    return made


def talk(random: Random, *, held_out: bool) -> Task:
    """Return small talk: words that name no file, and the short answer to them."""
    pool, answer = random.choice(
        (
            (speech.GREETINGS, GREETED),
            (speech.THANKS, THANKED),
            (speech.ABILITIES, ABLE),
            (phrases.NO_FILE, UNSURE),
            (phrases.NO_FILE, UNSURE),
        )
    )
    said = phrases.phrase(random, pool, held_out=held_out)
    if said[-1] not in ".?!":
        said += random.choice(("", ".", "!"))
    return Task("talk", said, (), answer)


def not_ours(random: Random, *, held_out: bool) -> Task:
    """Return an ask that no tool of the product could do, or words that mean nothing."""
    if chance(random, 0.3) and not held_out:
        made = " ".join(values.word(random) for _ in range(random.randint(2, 7)))
        return Task("not ours", made.capitalize() + random.choice(".?"), (), NO_TOOL)
    ask = phrases.phrase(random, phrases.NOT_OURS, held_out=held_out).format(w=values.word(random))
    return Task("not ours", ask, (), NO_TOOL)


def _draw(random: Random, mix: Mix) -> tuple[Task, list[dict[str, Any]]]:
    """Return a task and the tools on offer."""
    kind = random.random()
    if kind < TALK:
        return talk(random, held_out=mix.held_out), _offer(random)
    if kind < TALK + NOT_OURS:
        return not_ours(random, held_out=mix.held_out), _offer(random)
    if kind < TALK + NOT_OURS + mix.unknown:
        made, tools = stranger(random, mix)
        return made, [*_offer(random), *tools] if chance(random, 0.5) else tools
    made, tools = task(random, mix), _offer(random)
    if not {step.tool for step in made.steps} <= _names(tools) and chance(random, 0.65):
        tools = ALL_TOOLS
    return without(made, _names(tools)), tools


def conversation(random: Random, mix: Mix) -> Conversation:
    """Return one conversation of the mix."""
    if chance(random, mix.long):
        mix = replace(mix, lines=LONG)
    made, tools = _draw(random, mix)
    if made.kind not in ("talk", "not ours"):
        made = replace(made, ask=_around(random, made.ask, held_out=mix.held_out))
    messages: list[chat.Message] = [{"role": "system", "content": _system(random, held_out=mix.held_out)}]
    if chance(random, mix.history):
        before = task(random, replace(mix, lines=(1, 4))) if chance(random, 0.7) else talk(random, held_out=False)
        messages += played(without(before, _names(tools)))
    messages += played(made)
    if made.steps and chance(random, mix.short):
        user = max(at for at, message in enumerate(messages) if message["role"] == "user")
        messages = messages[: user + 2]
    return Conversation(made.kind, messages, tools)


def _opener(tool: dict[str, Any]) -> str:
    """Return how a call of a built-in tool begins, up to its first value."""
    function = tool["function"]
    first = min(function["parameters"]["required"])
    return f'{chat.CALL_OPEN}{function["name"]}{chat.CALL_MIDDLE}{{"{first}":"'


LITERALS: Final = (
    f"{START}system\n",
    *(f"\n{START}{role}\n" for role in ("user", "assistant", "tool")),
    prompts.SYSTEM_PROMPT,
    "\n\nTools: [",
    *(chat.tools_json([tool])[1:-1] for tool in ALL_TOOLS),
    *(_opener(tool) for tool in ALL_TOOLS),
    chat.CALL_OPEN,
    chat.CALL_MIDDLE + '{"',
    chat.CALL_MIDDLE + "{}" + chat.CALL_CLOSE,
    '","path":"',
    '":"',
    '","',
    '":',
    '"}' + chat.CALL_CLOSE,
    "}" + chat.CALL_CLOSE,
    '{"type":"function","function":{"name":"',
    '","description":"',
    '","parameters":{"type":"object","properties":{',
    '","parameters":{"type":"object","required":["',
    '"],"properties":{"',
    '":{"type":"string","description":"',
    '":{"type":"integer","description":"',
)
"""Texts that never vary: one token each."""


JOINED_FROM: Final = 4


def _language(texts: list[str]) -> list[str]:
    """Return the words that may join with the space before them, most frequent first.

    Not those that name files: names never seen begin with them, and would split another way there.
    """
    counts = Counter(match for text in texts for match in re.findall(r"(?<= )[A-Za-z]+", text))
    naming = {
        piece
        for name in (*values.STEMS, *values.FOLDERS, *values.SECRETS, *values.WORDS, *values.KEYS, *values.NAMES)
        for piece in re.findall("[A-Za-z]+", name)
    }
    return [
        found
        for found, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if found not in naming and (len(found) >= JOINED_FROM or found.isupper())
    ]


def make_tokenizer(random: Random, *, texts: int = 2500, size: int = 1536) -> Tokenizer:
    """Learn the vocabulary from conversations of the training mix, and from all phrases, so that none is spelt out."""
    made = [conversation(random, Mix(unknown=0.0)) for _ in range(texts)]
    said = ["\n".join(str(message["content"]) for message in each.messages[1:]) for each in made]
    lists = (
        *(phrases.ERROR, phrases.FIRST, phrases.LAST, phrases.KEY, phrases.COUNT, phrases.LENGTH, phrases.WRITE),
        *(phrases.SUMMARY, phrases.LIST, phrases.LIST_ALL, phrases.RUN, phrases.THEN_READ, speech.BEFORE),
        *(speech.AFTER, speech.AGENTS, speech.REASONS, phrases.TOOL_ASKS, values.MESSAGES, values.FAILURES),
        *(logs.LEVELS, values.STEMS, values.FOLDERS, values.KEYS),
    )
    said += [text for entries in lists for text in phrases.words(entries)] * 4
    return train(said, LITERALS, _language(said), letter_merges=760, size=size)


CHOICE: Final = 3.0
"""Weight of a token that chooses (call or words, which file, which line) against one that copies on."""


def encode(tokenizer: Tokenizer, conversation: Conversation) -> tuple[list[int], list[float]]:
    """Return a conversation's tokens, and how much each counts: nothing where the model does not write it."""
    openers = {tokenizer.numbers[text] for text in (*map(_opener, ALL_TOOLS), '","path":"', '":"')}
    openers |= {*tokenizer.encode('"'), *tokenizer.encode("\n")}
    tokens: list[int] = []
    counted: list[float] = []
    pieces = chat.render(conversation.messages, conversation.tools)
    # Texts that follow one another are cut into tokens together, as a server does.
    for mine, group in groupby(pieces, key=lambda piece: piece[1]):
        numbers = tokenizer.encode("".join(text for text, _ in group))
        for at, number in enumerate(numbers):
            chooses = at == 0 or tokens[-1] in openers
            tokens.append(number)
            counted.append(0.0 if not mine else CHOICE if chooses else 1.0)
    return tokens, counted


def copies(random: Random, tokenizer: Tokenizer, length: int) -> tuple[list[int], list[float]]:
    """Return rows of random tokens, then some of them again, to be copied: what settles the copying heads."""
    newline = tokenizer.encode("\n")[0]
    plain = [
        tokenizer.numbers[text]
        for text in (*string.ascii_lowercase, *(f"{pair:02}" for pair in range(100)), *string.digits)
    ]
    pool = plain if chance(random, 0.8) else range(32, tokenizer.first_special)
    rows = [[random.choice(pool) for _ in range(random.randint(3, 8))] for _ in range(random.randint(2, 5))]
    tokens: list[int] = []
    own: list[float] = []
    for row in rows:
        tokens += [*row, newline]
        own += [0.0] * (len(row) + 1)
    while len(tokens) < length:
        row = random.choice(rows)
        tokens += [*row, newline]
        own += [0.0] + [1.0] * len(row)
    return tokens[:length], own[:length]


__all__ = ["ALL_TOOLS", "Conversation", "Mix", "Step", "Task", "conversation", "encode", "make_tokenizer", "played"]
