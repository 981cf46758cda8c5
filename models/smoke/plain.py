"""The narrow conversations that the first weights must get right: one line format, plain names, a few asks.

A log is `DATE TIME LEVEL component: message` with one ERROR line or none. The ask names one file, or one in the
workspace and one outside that policy denies. Values (times, numbers, identifiers, hosts) are random, so those of the
test are never the ones of training; phrasings and words are the same. What the model does beyond this is reported
apart (CARD.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from models.smoke import chat, data, phrases
from models.smoke.logs import COMPONENTS, FAILURES, MESSAGES, Clock, chance, fill

from skerry.agent import prompts

if TYPE_CHECKING:
    from random import Random

ONE: Final = (
    "What is wrong in {f}?",
    "Which error is in {f}?",
    "Find the error in {f}.",
    "Is there an error in {f}?",
    "What error does {f} show?",
    "Tell me what is wrong in {f}.",
    "Read {f}. What is wrong?",
    "Quote the error in {f}.",
)
THEN: Final = ("Then read {b} too.", "Also read {b}.", "Then read {b}.", "Read {b} too.")
OUTSIDE: Final = ("../other/", "../", "../../", "/etc/", "/root/", "/srv/")
RULES: Final = ("tools.path_outside_workspace", "tools.outside_workspace", "tools.no_rule")
NAMES: Final = ("app", "api", "web", "db", "job", "worker", "server", "service", "system", "error", "build", "deploy")


def _inside(random: Random) -> str:
    name = random.choice(NAMES)
    if chance(random, 0.35):
        name += f"-{random.randint(1, 99)}"
    folder = random.choice(("logs/", "var/")) if chance(random, 0.25) else ""
    return f"{folder}{name}{'.txt' if chance(random, 0.15) else '.log'}"


def log(random: Random, lines: int, *, error: bool) -> tuple[str, str]:
    """Return a log of `lines` lines, and its error from the level on ("" when `error` is false).

    The time in front is left out: many lines share most of it, and a model this small mixes the digits up.
    """
    clock = Clock((random.randint(2024, 2028), random.randint(1, 12), random.randint(1, 28)), random.random() * 86_400)
    components = random.sample(COMPONENTS, random.randint(3, 6))
    at = random.randrange(lines) if error else -1
    made = []
    for row in range(lines):
        clock.step(random)
        level = "ERROR" if row == at else random.choice(("INFO", "INFO", "INFO", "WARN", "DEBUG"))
        text = fill(random, random.choice(FAILURES if row == at else MESSAGES))
        made.append(f"{clock.date()} {clock.time()} {level} {random.choice(components)}: {text}")
    return "\n".join(made) + "\n", made[at][made[at].index("ERROR") :] if error else ""


def conversation(random: Random, lines: tuple[int, int], *, two: float = 0.5) -> data.Conversation:
    """Return one conversation about a log of `lines` (fewest, most) lines; `two` is the share with a denied file."""
    error = chance(random, 0.8)
    path = _inside(random)
    text, line = log(random, random.randint(*lines), error=error)
    ask = random.choice(ONE).format(f=path)
    sentences = [f'The error in {path} is: "{line}"' if line else f"I found no error in {path}."]
    reads = [(path, prompts.render_result(text))]
    kind = "error" if line else "none"
    if chance(random, two):
        forbidden = random.choice(OUTSIDE) + random.choice(data.SECRETS)
        rule = random.choice(RULES)
        ask = f"{ask} {random.choice(THEN).format(b=forbidden)}"
        reads.append((forbidden, prompts.render_denial(rule, "the path is outside the workspace")))
        sentences.append(f"I may not read {forbidden}: denied by policy {rule}.")
        kind += "+denied"
    agent = random.choice(phrases.AGENTS) if chance(random, 0.7) else None
    messages: list[chat.Message] = [
        {"role": "system", "content": prompts.render_system(agent)},
        {"role": "user", "content": ask},
    ]
    for name, result in reads:
        call: dict[str, Any] = chat.call("read_file", {"path": name})
        messages += [call, {"role": "tool", "tool_call_id": "call_0", "content": result}]
    messages.append({"role": "assistant", "content": "\n".join(sentences)})
    return data.Conversation(kind, messages)
