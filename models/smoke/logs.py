"""Log files that look like real ones: several formats, believable messages, at most one line with an error.

What makes a line the error is its level alone: the same messages stand on error lines and on others, and some
harmless lines speak of errors.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from models.smoke import phrases

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

COMPONENTS: Final = (
    *(
        "api",
        "web",
        "db",
        "auth",
        "worker",
        "scheduler",
        "cache",
        "queue",
        "mailer",
        "gateway",
        "billing",
        "storage",
        "backup",
        "sync",
    ),
    *(
        "search",
        "indexer",
        "proxy",
        "payments",
        "orders",
        "users",
        "main",
        "http",
        "server",
        "client",
        "migrate",
        "agent",
        "metrics",
    ),
)
NAMES: Final = (
    "alice",
    "bob",
    "carol",
    "dave",
    "erin",
    "frank",
    "grace",
    "heidi",
    "ivan",
    "judy",
    "mallory",
    "nina",
    "oscar",
    "peggy",
)
WORDS: Final = (
    *(
        "north",
        "river",
        "stone",
        "amber",
        "delta",
        "falcon",
        "maple",
        "orbit",
        "pixel",
        "raven",
        "solar",
        "tiger",
        "ultra",
        "violet",
    ),
    *(
        "winter",
        "zebra",
        "copper",
        "ember",
        "forest",
        "granite",
        "harbor",
        "island",
        "jade",
        "kernel",
        "lemon",
        "meadow",
        "nova",
        "onyx",
    ),
)

MESSAGES: Final = (
    "request finished in {n} ms",
    "GET {url} {status} in {n} ms",
    "POST {url} {status} {n} bytes",
    "user {user} logged in from {ip}",
    "user {user} logged out",
    "connected to {host}:{port}",
    "connection from {ip} closed",
    "listening on port {port}",
    "starting version {version}",
    "started with {n} workers",
    "loaded {n} records from {path}",
    "cache hit for key {id}",
    "cache miss for key {id}",
    "job {id} started",
    "job {id} finished in {n} s",
    "queue length is {n}",
    "heartbeat from {host}",
    "config read from {path}",
    "session {id} opened for {user}",
    "session {id} closed",
    "checkpoint complete, {n} pages written",
    "backup of {word} finished, {n} MB",
    "sent mail to {user}@{word}.example",
    "healthy, uptime {n} s",
    "synchronised {n} items with {host}",
    "reloaded {n} rules",
    "token for {user} refreshed",
    "certificate valid for {n} days",
    "index {word} rebuilt",
    "finished with 0 errors",
    "no errors found in {path}",
    "retry {n} succeeded",
    "error count is 0",
    "batch {n} done, 0 failed",
    "disk usage at {n}%",
    "memory usage {n} MB",
    "slow query took {n} ms",
    "retrying request {id}, attempt {n}",
    "rate limit for {ip} near",
    "deprecated option {word} used",
    "response from {host} took {n} ms",
    "worker {n} idle",
    "shutting down worker {n}",
    "order {id} accepted",
    "payment {id} received, amount {n}",
    "uploaded {path} ({n} bytes)",
    "deleted {n} old files",
    "migration {n} applied",
    "lock {word} acquired",
    "lock {word} released",
)
FAILURES: Final = (
    "connection refused",
    "connection to {host}:{port} refused",
    "connection to {host} timed out after {n} s",
    "cannot connect to database {word}",
    "database {word} is locked",
    "disk full on {path}",
    "no space left on device",
    "out of memory",
    "permission denied: {path}",
    "file {path} not found",
    "no such file or directory: {path}",
    "request {id} failed with status {status}",
    "GET {url} failed: {status}",
    "job {id} failed after {n} s",
    "job {word} failed: exit code {n}",
    "worker {n} crashed",
    "payment {id} declined",
    "cannot open {path}",
    "cannot write to {path}: read-only file system",
    "timeout waiting for {host}",
    "timeout after {n} ms",
    "invalid token for user {user}",
    "authentication failed for {user} from {ip}",
    "login of {user} failed",
    "unhandled exception in {word}",
    "null pointer in {word}.{id}",
    "checksum mismatch in {path}",
    "backup of {word} failed",
    "certificate expired {n} days ago",
    "TLS handshake with {host} failed",
    "host {host} is unreachable",
    "DNS lookup of {host} failed",
    "queue {word} is full",
    "too many open files",
    "deadlock detected on table {word}",
    "replication lag is {n} s",
    "query failed: relation {word} does not exist",
    "could not parse {path} line {n}",
    "bad gateway from {host}",
    "upstream {ip}:{port} did not answer",
    "order {id} could not be saved",
    "lost connection to {host}",
    "service {word} stopped unexpectedly",
    "failed to start {word}",
    "key {id} missing",
    "division by zero in {word}",
    "mail to {user}@{word}.example bounced",
    "migration {n} failed",
    "index {word} is corrupt",
    "quota of {user} exceeded",
)


def chance(random: Random, share: float) -> bool:
    """Return True in this share of cases."""
    return random.random() < share


def letters(random: Random, low: int, high: int) -> str:
    """Return a word of random letters."""
    return "".join(random.choice(string.ascii_lowercase) for _ in range(random.randint(low, high)))


def strange(random: Random) -> str:
    """Return a word that never was: random letters, or pieces of known words, so that every token occurs in names."""
    if chance(random, 0.5):
        return letters(random, 2, 9)
    made = ""
    for _ in range(random.randint(1, 3)):
        known = random.choice(_KNOWN)
        start = random.randrange(len(known) - 1)
        made += known[start : start + random.randint(2, 7)]
    return made


def number(random: Random) -> str:
    """Return a number of one to five digits, short ones more often."""
    return str(random.randint(0, 10 ** random.choice((1, 2, 2, 3, 3, 4, 5)) - 1))


def word(random: Random) -> str:
    """Return a known word, or letters that never were one."""
    return random.choice(WORDS) if chance(random, 0.5) else strange(random)


def _host(random: Random) -> str:
    if chance(random, 0.4):
        return f"{random.choice(COMPONENTS)}-{random.randint(1, 20)}"
    if chance(random, 0.5):
        return f"{word(random)}.example"
    return ".".join(str(random.randint(1, 254)) for _ in range(4))


def _path(random: Random) -> str:
    return (
        "/"
        + "/".join(word(random) for _ in range(random.randint(1, 3)))
        + random.choice(("", ".conf", ".db", ".json", ".tmp", ".csv"))
    )


_SLOTS: Final[dict[str, Callable[[Random], str]]] = {
    "n": number,
    "ip": lambda random: ".".join(str(random.randint(1, 254)) for _ in range(4)),
    "port": lambda random: random.choice(
        ("80", "443", "5432", "6379", "8080", "9000", str(random.randint(1024, 65535)))
    ),
    "user": lambda random: random.choice(NAMES) if chance(random, 0.7) else letters(random, 3, 7),
    "url": lambda random: (
        _path(random)
        if chance(random, 0.4)
        else f"/{random.choice(('api', 'v1', 'v2'))}/{word(random)}/{number(random)}"
    ),
    "status": lambda random: random.choice(
        ("200", "201", "204", "301", "304", "400", "401", "403", "404", "500", "502", "503", "504")
    ),
    "id": lambda random: "".join(random.choice("0123456789abcdef") for _ in range(random.choice((4, 6, 8)))),
    "host": _host,
    "path": _path,
    "word": word,
    "version": lambda random: f"{random.randint(0, 9)}.{random.randint(0, 20)}.{random.randint(0, 9)}",
}
_SLOT: Final = re.compile(r"\{(\w+)\}")


def fill(random: Random, template: str) -> str:
    """Return the template with its slots filled."""
    return _SLOT.sub(lambda match: _SLOTS[match[1]](random), template)


def message(random: Random, *, failure: bool) -> str:
    """Return a message; failures mostly, not always, speak of failing, and one in eight is words that mean nothing."""
    if chance(random, 0.12):
        return " ".join(word(random) if chance(random, 0.7) else number(random) for _ in range(random.randint(2, 7)))
    pool = FAILURES if (chance(random, 0.92)) == failure else MESSAGES
    text = fill(random, random.choice(pool))
    return text[0].upper() + text[1:] if chance(random, 0.15) else text


_SPEECH: Final = (*phrases.ONE, *phrases.THEN, *phrases.AGENTS, *phrases.REASONS, *phrases.BEFORE)
_KNOWN: Final = sorted(
    {
        found.lower()
        for phrase in (*MESSAGES, *FAILURES, *COMPONENTS, *WORDS, *NAMES, *_SPEECH)
        for found in re.findall(r"[A-Za-z]{2,}", phrase)
    }
)


@dataclass
class Clock:
    """A time that runs on from line to line."""

    day: tuple[int, int, int]
    second: float

    def step(self, random: Random) -> None:
        """Go on by a moment: often the same second, seldom minutes."""
        self.second = (
            self.second + random.choice((0.0, 0.3, 1, 1, 2, 3, 7, 20, 61, 400)) * random.random() * 2
        ) % 86_400

    def date(self, separator: str = "-") -> str:
        """Return the day, year first."""
        return separator.join((f"{self.day[0]:04}", f"{self.day[1]:02}", f"{self.day[2]:02}"))

    def time(self) -> str:
        """Return hours, minutes and seconds."""
        whole = int(self.second)
        return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"

    def millis(self) -> str:
        """Return the thousandths of the second, three digits."""
        return f"{int(self.second * 1000) % 1000:03}"


LEVELS: Final = (
    "info",
    "warn",
    "warning",
    "debug",
    "notice",
    "error",
    "fatal",
    "critical",
    "INFO",
    "WARN",
    "WARNING",
    "DEBUG",
    "NOTICE",
    "ERROR",
    "FATAL",
    "CRITICAL",
)
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
Line = tuple[str, str, str]
"""Level, component, message."""


def _forms(random: Random) -> list[Callable[[Clock, Line], str]]:
    """Return the line formats, with what is fixed for one file drawn once."""
    host, pid = _host(random).replace(".", "-"), random.randint(100, 9999)
    zone = random.choice(("Z", "Z", "+00:00", "+01:00", ""))

    def syslog(clock: Clock, line: Line) -> str:
        return (
            f"{MONTHS[clock.day[1] - 1]} {clock.day[2]:2} {clock.time()} {host} {line[1]}[{pid}]: {line[0]}: {line[2]}"
        )

    def nginx(clock: Clock, line: Line) -> str:
        return f"{clock.date('/')} {clock.time()} [{line[0].lower()}] {pid}#0: {line[2]}"

    def pairs(clock: Clock, line: Line) -> str:
        return f'ts={clock.date()}T{clock.time()}{zone} level={line[0].lower()} component={line[1]} msg="{line[2]}"'

    def pairs_bare(_clock: Clock, line: Line) -> str:
        return f'level={line[0].lower()} msg="{line[2]}" component={line[1]}'

    def objects(clock: Clock, line: Line) -> str:
        return f'{{"time":"{clock.date()}T{clock.time()}{zone}","level":"{line[0].lower()}","msg":"{line[2]}"}}'

    return [
        lambda clock, line: f"{clock.date()}T{clock.time()}{zone} {line[0]} {line[1]}: {line[2]}",
        lambda clock, line: f"{clock.date()}T{clock.time()}{zone} {line[0]} {line[1]} {line[2]}",
        lambda clock, line: f"{clock.date()}T{clock.time()}{zone} {line[0]} {line[2]}",
        lambda clock, line: f"{clock.date()}T{clock.time()}.{clock.millis()}Z {line[0]} [{line[1]}] {line[2]}",
        lambda clock, line: f"{clock.date()} {clock.time()} {line[0]} {line[1]}: {line[2]}",
        lambda clock, line: f"{clock.date()} {clock.time()} {line[0]} {line[2]}",
        lambda clock, line: f"{clock.date()} {clock.time()} [{line[0]}] {line[1]}: {line[2]}",
        lambda clock, line: f"{clock.date()} {clock.time()},{clock.millis()} - {line[1]} - {line[0]} - {line[2]}",
        lambda clock, line: f"{clock.date()} {clock.time()},{clock.millis()} {line[0]} {line[1]} {line[2]}",
        lambda clock, line: f"[{clock.date()} {clock.time()}] {line[0]}: {line[2]}",
        lambda clock, line: f"[{clock.time()}] {line[0]} {line[1]}: {line[2]}",
        lambda clock, line: f"{clock.time()} {line[0]} {line[1]}: {line[2]}",
        lambda clock, line: f"{clock.time()} {line[0]} {line[2]}",
        lambda _clock, line: f"{line[0]} {line[1]}: {line[2]}",
        lambda _clock, line: f"{line[0]}: {line[2]}",
        lambda clock, line: f"{line[0]} {clock.date()} {clock.time()} {line[1]}: {line[2]}",
        syslog,
        syslog,
        nginx,
        nginx,
        pairs,
        pairs,
        pairs_bare,
        objects,
    ]


def log(random: Random, lines: int, *, error: bool) -> tuple[str, str]:
    """Return a log file's text of `lines` lines, and its error line ("" when `error` is false)."""
    clock = Clock((random.randint(2019, 2032), random.randint(1, 12), random.randint(1, 28)), random.random() * 86_400)
    form = random.choice(_forms(random))
    components = random.sample(COMPONENTS, random.randint(1, 5))
    quiet = random.choice(
        (
            ("INFO",),
            ("INFO", "INFO", "DEBUG"),
            ("INFO", "INFO", "WARN"),
            ("INFO", "WARNING", "DEBUG"),
            ("INFO", "INFO", "NOTICE"),
        )
    )
    at = random.randrange(lines) if error else -1
    made: list[str] = []
    for row in range(lines):
        clock.step(random)
        loud = row == at
        level = (
            random.choice(("ERROR", "ERROR", "ERROR", "ERROR", "FATAL", "CRITICAL")) if loud else random.choice(quiet)
        )
        failure = loud or (level.startswith("WARN") and chance(random, 0.5))
        made.append(form(clock, (level, random.choice(components), message(random, failure=failure))))
    return "\n".join(made) + ("\n" if chance(random, 0.7) else ""), made[at] if error else ""
