"""Files as programs and people write them: logs with at most one error, settings, notes.

What makes a line of a log the error is its level alone: the same messages stand on error lines and on others, and some
harmless lines speak of errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from models.smoke.values import COMPONENTS, KEYS, WORDS, chance, message, setting, text, word

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

LEVELS: Final = ("INFO", "WARN", "DEBUG", "ERROR", "FATAL", "CRITICAL", "NOTICE", "WARNING")
LOUD: Final = ("ERROR", "ERROR", "ERROR", "ERROR", "ERROR", "FATAL", "CRITICAL")
QUIET: Final = (
    ("INFO",),
    ("INFO", "INFO", "DEBUG"),
    ("INFO", "INFO", "WARN"),
    ("INFO", "WARNING", "DEBUG"),
    ("INFO", "INFO", "WARN", "DEBUG"),
    ("INFO", "INFO", "NOTICE"),
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

    def date(self) -> str:
        """Return the day, year first."""
        return f"{self.day[0]:04}-{self.day[1]:02}-{self.day[2]:02}"

    def time(self) -> str:
        """Return hours, minutes and seconds."""
        whole = int(self.second)
        return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


FORMS: Final[tuple[Callable[[Clock], str], ...]] = (
    lambda clock: f"{clock.date()} {clock.time()} ",
    lambda clock: f"{clock.date()} {clock.time()} ",
    lambda clock: f"{clock.date()}T{clock.time()}Z ",
    lambda clock: f"[{clock.date()} {clock.time()}] ",
    lambda clock: f"{clock.time()} ",
    lambda _clock: "",
)
"""What stands in front of the level."""


def log(random: Random, lines: int, *, error: bool) -> tuple[list[str], str]:
    """Return a log's lines, and its error from the level on ("" when `error` is false).

    The time in front is left out of the quote: many lines share most of it, and a model this small mixes them up.
    """
    clock = Clock((random.randint(2019, 2032), random.randint(1, 12), random.randint(1, 28)), random.random() * 86_400)
    front = random.choice(FORMS)
    mark = random.choice((": ", ": ", ": ", " "))
    components = random.sample(COMPONENTS, random.randint(1, 6))
    quiet = random.choice(QUIET)
    at = random.randrange(lines) if error else -1
    made: list[str] = []
    wanted = ""
    for row in range(lines):
        clock.step(random)
        level = random.choice(LOUD) if row == at else random.choice(quiet)
        failure = row == at or (level.startswith("WARN") and chance(random, 0.5))
        rest = f"{level} {random.choice(components)}{mark}{message(random, failure=failure)}"
        made.append(front(clock) + rest)
        wanted = rest if row == at else wanted
    return made, wanted


def settings(random: Random, lines: int) -> dict[str, str]:
    """Return keys and values, keys with random words among them."""
    made: dict[str, str] = {}
    while len(made) < lines:
        key = random.choice(KEYS) if chance(random, 0.6) else word(random)
        if chance(random, 0.3):
            key = f"{key}_{random.choice((*KEYS, *WORDS))}"
        made[key] = setting(random)
    return made


def notes(random: Random, lines: int) -> list[str]:
    """Return lines of text, each another."""
    made: dict[str, None] = {}
    while len(made) < lines:
        made[text(random)] = None
    return list(made)
