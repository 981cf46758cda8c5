"""Tasks: what a person asks, the calls that do it, what they return, and the answer. One maker a kind.

Answers have one fixed form each, so that "exact" can be counted (CARD.md lists them). What the tools return is
rendered by skerry.agent.prompts, as the product does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from models.smoke import logs, phrases, speech, values
from models.smoke.values import chance

from skerry.agent import prompts

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

VERBS: Final = {"read_file": "read", "write_file": "write", "list_files": "list", "run_command": "run"}
NOUNS: Final = {"read_file": "files", "write_file": "files", "list_files": "files", "run_command": "commands"}


LONG: Final = (20, 48)


@dataclass(frozen=True)
class Mix:
    """What a stretch of training, or a test, is made of."""

    lines: tuple[int, int] = (3, 8)
    """Fewest and most lines of a log."""
    long: float = 0.0
    """Share of conversations whose files have LONG lines."""
    held_out: bool = False
    """Draw from the phrases and names that training never sees."""
    short: float = 0.0
    """Share of conversations that end with their first call: many asks at little cost."""
    unknown: float = 0.05
    """Share of asks for tools that the product does not have."""
    history: float = 0.06
    """Share of conversations with an earlier ask in front."""


@dataclass(frozen=True)
class Step:
    """A call and what it returned."""

    tool: str
    arguments: dict[str, Any]
    result: str


@dataclass(frozen=True)
class Task:
    """An ask with its steps and its answer."""

    kind: str
    ask: str
    steps: tuple[Step, ...]
    answer: str


def _named(random: Random, value: str) -> str:
    quote = random.choices(("", "`", '"', "'"), (80, 9, 7, 4))[0]
    return f"{quote}{value}{quote}"


def _ask(random: Random, entries: tuple[str, ...], mix: Mix, **slots: str) -> str:
    return phrases.phrase(random, entries, held_out=mix.held_out).format(**slots)


def refusal(random: Random, tool: str, thing: str) -> tuple[str, str]:
    """Return what a denied or failed call returns, and what the answer says of it; `thing` is a path or a command."""
    verb = VERBS[tool]
    if chance(random, 0.5):
        rule = values.rule(random)
        reason = values.fill(random, random.choice(speech.REASONS))
        return prompts.render_denial(rule, reason), f"I may not {verb} {thing}: denied by policy {rule}."
    code, reason = random.choice(speech.CODES)
    if chance(random, 0.15):
        code = f"{values.word(random)}.{values.word(random)}"
    reason = values.fill(random, reason)
    said = random.choice((reason, f"{reason}: {thing}", f"{thing}: {reason}"))
    return prompts.render_error(code, said), f"I cannot {verb} {thing}: {code}."


def _denied_path(random: Random, mix: Mix) -> tuple[str, str, str]:
    """Return a path outside, what reading it returns, and the answer."""
    path = values.outside(random, held_out=mix.held_out)
    rule = random.choice(speech.RULES) if chance(random, 0.6) else values.rule(random)
    denial = prompts.render_denial(rule, values.fill(random, random.choice(speech.REASONS)))
    return path, denial, f"I may not read {path}: denied by policy {rule}."


def _rendered(lines: list[str]) -> str:
    return prompts.render_lines(lines, first=1, total=len(lines))


def read_log(random: Random, mix: Mix, *, held_out: bool) -> tuple[str, str, str]:
    """Return a log's path, what reading it returns, and the answer about its error."""
    path = values.log_path(random, held_out=held_out)
    if chance(random, 0.06):
        result, answer = refusal(random, "read_file", path)
        return path, result, answer
    lines, wanted = logs.log(random, random.randint(*mix.lines), error=chance(random, 0.78))
    if chance(random, 0.04):
        lines, wanted = logs.notes(random, random.randint(1, 6)), ""
    return path, _rendered(lines), f'The error in {path} is: "{wanted}"' if wanted else f"I found no error in {path}."


def error(random: Random, mix: Mix) -> Task:
    """Find the line with the error in a log."""
    path, result, answer = read_log(random, mix, held_out=mix.held_out)
    if chance(random, 0.08):
        path, result, answer = _denied_path(random, mix)
    ask = _ask(random, phrases.ERROR, mix, f=_named(random, path))
    return Task("error", ask, (Step("read_file", {"path": path}, result),), answer)


def line(random: Random, mix: Mix) -> Task:
    """Quote the first or the last line of a file."""
    path = values.path(random, held_out=mix.held_out)
    lines = logs.notes(random, random.randint(1, mix.lines[1]))
    first = chance(random, 0.5)
    ask = _ask(random, phrases.FIRST if first else phrases.LAST, mix, f=_named(random, path))
    result, answer = _rendered(lines), f'The {"first" if first else "last"} line is: "{lines[0 if first else -1]}"'
    if chance(random, 0.1):
        result, answer = refusal(random, "read_file", path)
    return Task("line", ask, (Step("read_file", {"path": path}, result),), answer)


def key(random: Random, mix: Mix) -> Task:
    """Look a setting up and quote its line."""
    path = values.path(random, held_out=mix.held_out)
    held = logs.settings(random, random.randint(2, mix.lines[1]))
    mark = random.choice((" = ", ": ", "="))
    lines = [f"{name}{mark}{value}" for name, value in held.items()]
    if chance(random, 0.2):
        lines.insert(0, f"# {values.text(random)}")
    name = random.choice(list(held))
    if chance(random, 0.12):
        name = next(iter(logs.settings(random, 1)))
    answer = f'{path} says: "{name}{mark}{held[name]}"' if name in held else f"{path} does not set {name}."
    result = _rendered(lines)
    if chance(random, 0.08):
        result, answer = refusal(random, "read_file", path)
    ask = _ask(random, phrases.KEY, mix, f=_named(random, path), k=_named(random, name))
    return Task("key", ask, (Step("read_file", {"path": path}, result),), answer)


def _command(command: str, result: str, answer: str, *, kind: str, ask: str) -> Task:
    return Task(kind, ask, (Step("run_command", {"command": command}, result),), answer)


def count(random: Random, mix: Mix) -> Task:
    """Count the lines of a file, or those with a word, by a command."""
    path = values.log_path(random, held_out=mix.held_out)
    number = random.choice((random.randint(0, 9), random.randint(0, 99), random.randint(0, 9999)))
    if chance(random, 0.3):
        command = f"wc -l {path}"
        ask = _ask(random, phrases.LENGTH, mix, f=_named(random, path))
        result, answer = prompts.render_command(0, f"{number} {path}"), f"Lines in {path}: {number}"
    else:
        wanted = random.choice(logs.LEVELS) if chance(random, 0.6) else values.word(random)
        command = f"grep -c {wanted} {path}"
        ask = _ask(random, phrases.COUNT, mix, f=_named(random, path), w=_named(random, wanted))
        result = prompts.render_command(0 if number else 1, str(number))
        answer = f"Lines with {wanted} in {path}: {number}"
    if chance(random, 0.08):
        said = f"{command.split()[0]}: {path}: No such file or directory"
        result, answer = prompts.render_command(2, said), f"The command failed with exit code 2:\n{said}"
    elif chance(random, 0.05):
        result, answer = refusal(random, "run_command", command)
    return _command(command, result, answer, kind="count", ask=ask)


def write(random: Random, mix: Mix) -> Task:
    """Write a line of text to a file."""
    path, content = values.path(random, held_out=mix.held_out), values.text(random)
    ask = _ask(random, phrases.WRITE, mix, f=_named(random, path), t=content)
    result, answer = prompts.render_written(path, len(content.encode())), f"I wrote {path}."
    if chance(random, 0.15):
        result, answer = refusal(random, "write_file", path)
    return Task("write", ask, (Step("write_file", {"content": content, "path": path}, result),), answer)


def summary(random: Random, mix: Mix) -> Task:
    """Read a log and write its error to a file."""
    path, result, said = read_log(random, mix, held_out=mix.held_out)
    target = values.path(random, held_out=mix.held_out)
    while target == path:
        target = values.path(random, held_out=mix.held_out)
    ask = _ask(random, phrases.SUMMARY, mix, f=_named(random, path), s=_named(random, target))
    read = Step("read_file", {"path": path}, result)
    if said.startswith("I ") and not said.startswith("I found"):
        return Task("summary", ask, (read,), said)
    wanted = said.partition(': "')[2].removesuffix('"')
    content = f"{path}: {wanted or 'no error'}"
    written, answer = (
        prompts.render_written(target, len(content.encode())),
        f"I wrote the summary of {path} to {target}.",
    )
    if chance(random, 0.1):
        written, answer = refusal(random, "write_file", target)
    steps = (read, Step("write_file", {"content": content, "path": target}, written))
    return Task("summary", ask, steps, answer)


def listing(random: Random, mix: Mix) -> Task:
    """List the files of a folder."""
    everything = chance(random, 0.25)
    folder = "." if everything else values.folder(random, held_out=mix.held_out)
    ask = (
        _ask(random, phrases.LIST_ALL, mix) if everything else _ask(random, phrases.LIST, mix, d=_named(random, folder))
    )
    names = {values.path(random, held_out=mix.held_out).rpartition("/")[2] for _ in range(random.randint(0, 7))}
    names |= {f"{values.word(random)}/" for _ in range(random.choice((0, 0, 1, 2)))}
    result = prompts.render_listing(list(names))
    answer = f"{folder} holds:\n{result}" if names else f"{folder} is empty."
    if chance(random, 0.1):
        result, answer = refusal(random, "list_files", folder)
    return Task("list", ask, (Step("list_files", {"path": folder}, result),), answer)


_COMMANDS: Final = (
    *("df -h", "uptime", "date", "uname -a", "ps aux", "id", "env", "free -m", "pwd", "hostname", "git status"),
    *("ls -l {d}", "ls {d}", "cat {f}", "head -n {n} {f}", "tail -n {n} {f}", "grep {w} {f}", "sort {f}", "du -sh {d}"),
    *("python3 {f}", "wc -w {f}", "sha256sum {f}", "make {w}", "./{f} --{w} {n}", "echo {w} {w}", "sh {f}"),
    *("find . -name '*.{w}'", "sed -n '{n}p' {f}", "cut -d: -f1 {f}", "sort {f} | uniq -c", "ls {d} | wc -l"),
    *("grep -v {w} {f}", "{w} --{w}={n}", "{w} {n} {f}", "{w} {w} -{w}", "tar tf {f}", "diff {f} {f}", "echo {n}"),
)


def _command_line(random: Random, mix: Mix) -> str:
    made = random.choice(_COMMANDS)
    makers: dict[str, Callable[[], str]] = {
        "{f}": lambda: values.path(random, held_out=mix.held_out),
        "{d}": lambda: values.folder(random, held_out=mix.held_out),
        "{n}": lambda: str(random.randint(1, 99)),
        "{w}": lambda: values.word(random),
    }
    for slot, make in makers.items():
        while slot in made:
            made = made.replace(slot, make(), 1)
    return made


def _output(random: Random) -> str:
    kind = random.random()
    if kind < 0.2:
        return values.number(random)
    if kind < 0.4:
        return "\n".join(f"{values.word(random)} {values.number(random)}" for _ in range(random.randint(1, 4)))
    return "\n".join(logs.notes(random, random.choice((1, 1, 1, 2, 3))))


def run(random: Random, mix: Mix) -> Task:
    """Run a command and report what it printed."""
    command = _command_line(random, mix)
    ask = _ask(random, phrases.RUN, mix, c=command)
    kind = random.random()
    if kind < 0.12:
        result, answer = refusal(random, "run_command", command)
    elif kind < 0.22:
        result, answer = prompts.render_command(0, ""), "The command printed nothing."
    elif kind < 0.4:
        code = random.choice((1, 1, 2, 126, 127, random.randint(3, 255)))
        output = "" if chance(random, 0.15) else _output(random)
        result = prompts.render_command(code, output)
        answer = f"The command failed with exit code {code}" + (f":\n{output}" if output else ".")
    else:
        output = _output(random)
        result, answer = prompts.render_command(0, output), f"The command printed:\n{output}"
    return _command(command, result, answer, kind="run", ask=ask)


_FIRSTS: Final[tuple[tuple[Callable[[Random, Mix], Task], int], ...]] = (
    (error, 60),
    (key, 8),
    (listing, 8),
    (write, 8),
    (run, 8),
    (line, 8),
)


def two(random: Random, mix: Mix) -> Task:
    """Do one thing, then read a second file, mostly one that policy denies."""
    makers, weights = zip(*_FIRSTS, strict=True)
    first: Task = random.choices(makers, weights)[0](random, mix)
    while first.ask[-1] not in ".?":  # what comes after a colon would run on
        first = random.choices(makers, weights)[0](random, mix)
    path, result, answer = _denied_path(random, mix) if chance(random, 0.8) else read_log(random, mix, held_out=False)
    ask = f"{first.ask} {_ask(random, phrases.THEN_READ, mix, b=_named(random, path))}"
    steps = (*first.steps, Step("read_file", {"path": path}, result))
    return Task("two", ask, steps, f"{first.answer}\n{answer}")


MAKERS: Final[dict[str, tuple[Callable[[Random, Mix], Task], int]]] = {
    "error": (error, 20),
    "line": (line, 8),
    "key": (key, 10),
    "count": (count, 9),
    "write": (write, 13),
    "summary": (summary, 11),
    "list": (listing, 9),
    "run": (run, 10),
    "two": (two, 10),
}
"""Makers of tasks for the built-in tools, and how often each is drawn."""


def task(random: Random, mix: Mix) -> Task:
    """Return a task for the built-in tools."""
    makers, weights = zip(*MAKERS.values(), strict=True)
    made: Task = random.choices(makers, weights)[0](random, mix)
    return made
