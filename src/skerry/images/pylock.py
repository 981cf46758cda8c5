"""Resolve the Python locks anew: `requirements/<name>.in` to `<name>.txt` (hashes, every platform) and `<name>.wheels`.

Contract: nothing younger than `cutoff` is locked, no index is named, sdists are refused. The uv that resolves is itself
locked (requirements/build.txt). `<name>.overrides` names what is left out of a project's own requirements, and why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from skerry.base import clock, process
from skerry.base.canonical import sha256_file
from skerry.base.errors import InvalidInputError
from skerry.images import wheels
from skerry.images.store import Store

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from skerry.base.paths import Checkout

LEAST_AGE = timedelta(days=7)  # a release that turns out to be hostile is usually withdrawn within days
DEADLINE_S = 600.0
IMAGE_PLATFORM = "x86_64-manylinux_2_40"  # uv's name for the newest glibc it knows that is not newer than Debian 13's
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})")
QUIET = ("--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-config")


@dataclass(frozen=True)
class Lock:
    """One environment: its name in requirements/, the oldest Python it runs on, whether the build takes its files."""

    name: str
    python: str
    image: bool


LOCKS = (
    Lock("build", "3.11", image=True),
    Lock("control-plane", "3.11", image=True),
    Lock("dev", "3.11", image=False),
    Lock("go", "3.11", image=True),
    Lock("litellm", wheels.PYTHON, image=True),
    Lock("models", "3.11", image=False),
    Lock("weights", "3.11", image=True),
)


def default_cutoff() -> datetime:
    """Return the moment after which no release may be locked now."""
    return clock.now() - LEAST_AGE


def relock(checkout: Checkout, cache: Path, *, cutoff: datetime | None = None) -> list[Path]:
    """Resolve every lock (network) and return the files written.

    Raises:
        ProcessError: `process.failed` with what uv or pip said.
        InvalidInputError: `images.wheels_lock`.
    """
    folder = checkout.requirements
    build = folder / "build.txt"
    wheels.fetch(build, cache)
    uv = wheels.program(build, cache, "uv")
    moment = cutoff or default_cutoff()
    written = []
    for lock in LOCKS:
        text = compile_lock(uv, folder, lock, cutoff=moment)
        written.append(text)
        if lock.image:
            written.append(choose_wheels(uv, text, cache))
    return written


def compile_lock(uv: Path, folder: Path, lock: Lock, *, cutoff: datetime) -> Path:
    """Resolve one `.in` file into its `.txt`."""
    target = folder / f"{lock.name}.txt"
    arguments: list[str | Path] = [
        uv,
        "pip",
        "compile",
        *QUIET,
        "--universal",
        "--generate-hashes",
        "--no-build",
        "--upgrade",
    ]
    arguments += [f"--python-version={lock.python}", f"--exclude-newer={clock.rfc3339(cutoff)}"]
    overrides = folder / f"{lock.name}.overrides"
    if overrides.is_file():
        arguments += ["--overrides", overrides]
    done = process.run([*arguments, folder / f"{lock.name}.in"], deadline_s=DEADLINE_S)
    target.write_text(done.stdout)
    return target


def choose_wheels(uv: Path, lock: Path, cache: Path) -> Path:
    """Pick the one file per project that the images take, put it into the store and write the list beside `lock`."""
    hashes = read_hashes(lock)
    requirements = []
    for pin in applicable(uv, lock):
        options = " ".join(f"--hash=sha256:{digest}" for digest in hashes[pin])
        requirements.append(f"{pin} {options}")
    store = Store(cache)
    chosen = []
    with store.incoming() as folder:
        wheels.download(requirements, into=folder)
        for file in sorted(folder.iterdir()):
            wheel = wheels.Wheel(file.name, sha256_file(file))
            store.put(file, wheel.digest)
            chosen.append(wheel)
    if len(chosen) != len(requirements):
        raise InvalidInputError(
            "images.wheels_lock",
            f"{lock}: {len(requirements)} projects apply, {len(chosen)} files came",
            "see which project has no wheel for the images' platform",
        )
    wheels.write_wheels(lock, chosen)
    return wheels.lock_of(lock)


def applicable(uv: Path, lock: Path) -> list[str]:
    """Return the pins (`name==version`) of a lock whose markers hold in the images."""
    arguments: list[str | Path] = [
        uv,
        "pip",
        "compile",
        *QUIET,
        "--no-deps",
        f"--python-version={wheels.PYTHON}",
        "--no-build",
    ]
    done = process.run([*arguments, f"--python-platform={IMAGE_PLATFORM}", lock], deadline_s=DEADLINE_S)
    return [match[0] for line in done.stdout.splitlines() if (match := PIN.match(line))]


def read_hashes(lock: Path) -> dict[str, list[str]]:
    """Return the digests a hash lock allows, by pin (`name==version`)."""
    found: dict[str, list[str]] = {}
    pin = ""
    for line in lock.read_text().splitlines():
        if start := PIN.match(line):
            pin = start[0]
            found[pin] = []
        found.get(pin, []).extend(match["digest"] for match in HASH.finditer(line))
    return found
