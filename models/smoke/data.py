"""Conversations the smoke model learns from, made from a seed.

Asks about one file or two, what reading returned (logs, denials, errors), answers; and small talk.

Every text of the product comes from skerry.agent.prompts. The answers have one fixed form each:

    The error in FILE is: "LINE"
    I found no error in FILE.
    I may not read FILE: denied by policy RULE.
    I cannot read FILE: CODE.

one sentence a line, in the order of the files asked for.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from models.smoke import chat, phrases
from models.smoke.logs import COMPONENTS, FAILURES, LEVELS, MESSAGES, WORDS, chance, log, strange, word
from models.smoke.tokenizer import Tokenizer, train

from skerry.agent import prompts

if TYPE_CHECKING:
    from random import Random

TOOLS: Final[list[dict[str, Any]]] = [prompts.READ_FILE]
STEMS: Final = (
    *COMPONENTS,
    "app",
    "error",
    "access",
    "nginx",
    "system",
    "service",
    "messages",
    "syslog",
    "output",
    "debug",
    "job",
    "build",
    "deploy",
)
HELD_OUT_STEMS: Final = (
    "kiosk",
    "turbine",
    "ledger",
    "checkout",
    "radio",
    "camera",
    "printer",
    "vault",
    "pump",
    "beacon",
)
FOLDERS: Final = (
    "logs",
    "log",
    "var",
    "data",
    "out",
    "tmp",
    "uploads",
    "reports",
    "var/log",
    "srv",
    "inbox",
    "archive",
)
SUFFIXES: Final = (".log", ".log", ".log", ".log", ".txt", ".out", ".err", ".log.1", "")
SECRETS: Final = (
    "secret.txt",
    "passwd",
    "shadow",
    "keys.pem",
    "token",
    "credentials.json",
    ".env",
    "id_rsa",
    "config.yaml",
    "auth.log",
)
OUTSIDE: Final = ("../", "../", "../../", "/etc/", "/root/", "/var/log/", "/home/", "/srv/", "/")
GREETED: Final = "Hello. Name a file and I will look for an error in it."
THANKED: Final = "You are welcome."
ABLE: Final = "I can read files in the workspace and quote the errors in them."
UNSURE: Final = "Name a file and I will look for an error in it."


@dataclass(frozen=True)
class Mix:
    """What a stretch of training, or a test, is made of."""

    lines: tuple[int, int] = (3, 8)
    """Fewest and most lines of a log."""
    two: float = 0.35
    """Share of asks about two files."""
    talk: float = 0.06
    """Share of small talk without a file."""
    asks: float = 0.0
    """Share of conversations that end with the first call: short, so that many asks are seen at little cost."""
    held_out: bool = False
    """Draw from the phrases and names that training never sees."""


@dataclass(frozen=True)
class Conversation:
    """Messages in order, the tools on offer, and what kind of ask it is."""

    kind: str
    messages: list[chat.Message]
    tools: list[dict[str, Any]] = field(default_factory=lambda: TOOLS)


@dataclass(frozen=True)
class Read:
    """One file, what reading it returns, and what the answer says of it."""

    path: str
    result: str
    sentence: str


def stem(random: Random, *, held_out: bool) -> str:
    """Return a file's name without its suffix."""
    known = random.choice(HELD_OUT_STEMS if held_out else STEMS)
    mark = random.choice("-_.")
    date = f"{random.randint(2019, 2032)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
    names = (known, strange(random), f"{word(random)}{random.choice('-_.')}{known}")
    tails = (f"{mark}{random.randint(0, 99)}", f"{mark}{date}", str(random.randint(0, 999)), "")
    return random.choices(names, (45, 25, 30))[0] + random.choices(tails, (15, 15, 6, 64))[0]


def inside(random: Random, *, held_out: bool) -> str:
    """Return a path in the workspace."""
    name = stem(random, held_out=held_out) + random.choice(SUFFIXES)
    suffixed = name if "." in name else f"{name}.log"
    folder = random.choice(FOLDERS)
    return random.choices((name, suffixed, f"{folder}/{name}", f"{word(random)}/{folder}/{name}"), (30, 32, 28, 10))[0]


def outside(random: Random, *, held_out: bool) -> str:
    """Return a path that leaves the workspace."""
    folder = random.choice(OUTSIDE)
    if chance(random, 0.65):
        folder += f"{random.choice(('other', word(random)))}/"
    return folder + (
        random.choice(SECRETS) if chance(random, 0.5) else stem(random, held_out=held_out) + random.choice(SUFFIXES)
    )


def _reading(random: Random, mix: Mix, outcome: str) -> Read:
    if outcome == "denied":
        path = outside(random, held_out=mix.held_out) if chance(random, 0.85) else inside(random, held_out=mix.held_out)
        rule = random.choice(phrases.RULES) if chance(random, 0.5) else f"{word(random)}.{word(random)}_{word(random)}"
        result = prompts.render_denial(rule, random.choice(phrases.REASONS))
        return Read(path, result, f"I may not read {path}: denied by policy {rule}.")
    path = inside(random, held_out=mix.held_out)
    if outcome == "unread":
        code, reason = random.choice(phrases.CODES)
        said = random.choice((reason, f"{reason}: {path}", f"{path}: {reason}"))
        return Read(path, prompts.render_error(code, said), f"I cannot read {path}: {code}.")
    text, line = log(random, random.randint(*mix.lines), error=outcome == "error")
    sentence = f'The error in {path} is: "{line}"' if line else f"I found no error in {path}."
    return Read(path, prompts.render_result(text), sentence)


def _system(random: Random, *, held_out: bool) -> str:
    agents = phrases.part(phrases.AGENTS, held_out=held_out)
    made = " ".join(word(random) for _ in range(random.randint(3, 14))).capitalize() + "."
    prompts_of_agents = (None, random.choice(agents), " ".join(random.sample(agents, 2)), made)
    return prompts.render_system(random.choices(prompts_of_agents, (35, 40, 15, 10))[0])


def _named(random: Random, path: str) -> str:
    quote = random.choices(("", "`", '"', "'"), (84, 8, 5, 3))[0]
    return f"{quote}{path}{quote}"


def ask(random: Random, paths: list[str], *, held_out: bool) -> str:
    """Return a person's words that ask about one file or two."""
    named = [_named(random, path) for path in paths]
    if len(paths) == 1:
        text = random.choice(phrases.part(phrases.ONE, held_out=held_out)).format(f=named[0])
    elif chance(random, 0.7):
        first = random.choice(phrases.part(phrases.ONE, held_out=held_out)).format(f=named[0])
        text = f"{first} {random.choice(phrases.part(phrases.THEN, held_out=held_out)).format(b=named[1])}"
    else:
        text = random.choice(phrases.part(phrases.TWO, held_out=held_out)).format(a=named[0], b=named[1])
    if chance(random, 0.2):
        text = f"{random.choice(phrases.part(phrases.BEFORE, held_out=held_out))} {text}"
    if chance(random, 0.15):
        text = f"{text} {random.choice(phrases.part(phrases.AFTER, held_out=held_out))}"
    if chance(random, 0.08) and not text.startswith(paths[0]):
        text = text[0].lower() + text[1:]
    if chance(random, 0.06) and text[-1] in "?.":
        text = text[:-1]
    return text


def _outcomes(random: Random, *, two: bool) -> tuple[str, ...]:
    if not two:
        return tuple(random.choices(("error", "none", "denied", "unread"), (0.58, 0.24, 0.09, 0.09)))
    first = random.choices(("error", "none", "unread"), (0.72, 0.22, 0.06))
    return (*first, *random.choices(("denied", "error", "none", "unread"), (0.8, 0.08, 0.04, 0.08)))


def reading(random: Random, mix: Mix, outcomes: tuple[str, ...]) -> Conversation:
    """Return a conversation about one file or two, each with its outcome ("error", "none", "denied", "unread")."""
    reads: list[Read] = []
    while len(reads) < len(outcomes):
        read = _reading(random, mix, outcomes[len(reads)])
        if read.path not in [other.path for other in reads]:
            reads.append(read)
    messages: list[chat.Message] = [{"role": "system", "content": _system(random, held_out=mix.held_out)}]
    if chance(random, 0.04):
        greeting = random.choice(phrases.part(phrases.GREETINGS, held_out=mix.held_out))
        messages += [{"role": "user", "content": greeting}, {"role": "assistant", "content": GREETED}]
    messages.append({"role": "user", "content": ask(random, [read.path for read in reads], held_out=mix.held_out)})
    for read in reads:
        messages.append(chat.call("read_file", {"path": read.path}))
        messages.append({"role": "tool", "tool_call_id": "call_0", "content": read.result})
    messages.append({"role": "assistant", "content": "\n".join(read.sentence for read in reads)})
    return Conversation("+".join(outcomes), messages)


def talk(random: Random, *, held_out: bool) -> Conversation:
    """Return small talk: words that name no file, and the short answer to them."""
    pool, answer = random.choice(
        (
            (phrases.GREETINGS, GREETED),
            (phrases.THANKS, THANKED),
            (phrases.ABILITIES, ABLE),
            (phrases.NO_FILE, UNSURE),
            (phrases.NO_FILE, UNSURE),
        )
    )
    said = random.choice(phrases.part(pool, held_out=held_out))
    if said[-1] not in ".?!":
        said += random.choice(("", ".", "!"))
    messages = [
        {"role": "system", "content": _system(random, held_out=held_out)},
        {"role": "user", "content": said},
        {"role": "assistant", "content": answer},
    ]
    return Conversation("talk", messages, TOOLS if chance(random, 0.8) else [])


def conversation(random: Random, mix: Mix) -> Conversation:
    """Return one conversation of the mix."""
    if chance(random, mix.talk):
        return talk(random, held_out=mix.held_out)
    two = chance(random, mix.two)
    if chance(random, mix.asks):
        whole = reading(random, replace(mix, lines=(1, 1)), _outcomes(random, two=two))
        first = next(at for at, message in enumerate(whole.messages) if message.get("tool_calls"))
        return Conversation("ask", whole.messages[: first + 1])
    return reading(random, mix, _outcomes(random, two=two))


LITERALS: Final = (
    prompts.SYSTEM_PROMPT,
    chat.tools_block(TOOLS),
    chat.CALL_OPEN,
    chat.CALL_MIDDLE + '{"',
    '":"',
    '"}' + chat.CALL_CLOSE,
)
"""Texts that never vary: one token each."""


JOINED_FROM: Final = 6


def _language(texts: list[str]) -> list[str]:
    """Return the words that may join with the space before them, most frequent first.

    Not those that name files, and no short ones: names never seen begin with them, and would split another way there.
    """
    counts = Counter(match for text in texts for match in re.findall(r"(?<= )[A-Za-z]+", text))
    naming = {piece for name in (*STEMS, *FOLDERS, *SECRETS, *WORDS) for piece in re.findall("[A-Za-z]+", name)}
    return [
        found
        for found, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if found not in naming and (len(found) >= JOINED_FROM or found.isupper())
    ]


def make_tokenizer(random: Random, *, texts: int = 1500, size: int = 1472) -> Tokenizer:
    """Learn the vocabulary from conversations of the training mix, and from all phrases, so that none is spelt out."""
    made = [conversation(random, Mix()) for _ in range(texts)]
    said = [
        "".join(text for text, _ in chat.render(each.messages, [])).replace(prompts.SYSTEM_PROMPT, "") for each in made
    ]
    lists = (
        phrases.ONE,
        phrases.THEN,
        phrases.TWO,
        phrases.BEFORE,
        phrases.AFTER,
        phrases.AGENTS,
        phrases.REASONS,
        MESSAGES,
        FAILURES,
        LEVELS,
    )
    said += [re.sub(r"\{\w+\}", "", phrase) for phrases_of_one_kind in lists for phrase in phrases_of_one_kind] * 6
    return train(said, LITERALS, _language(said), letter_merges=760, size=size)


CHOICE: Final = 3.0
"""Weight of a token that chooses (call or words, which file, which line) against one that copies on."""


def encode(tokenizer: Tokenizer, conversation: Conversation) -> tuple[list[int], list[float]]:
    """Return a conversation's tokens, and how much each counts: nothing where the model does not write it."""
    openers = {tokenizer.numbers['":"'], *tokenizer.encode('"'), *tokenizer.encode("\n")}
    tokens: list[int] = []
    counted: list[float] = []
    for text, mine in chat.render(conversation.messages, conversation.tools):
        numbers = tokenizer.encode(text)
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
