"""What an image is made from, as one digest: computed from files of the checkout alone, in well under a second.

Contract: `Inputs.digest(name)` changes exactly when something changes that could change the image: its definition,
Containerfile, files, locks, programs, its parent, the release's epoch, or the recipe. Where files lie, their times
and the umask do not count.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from skerry.base.canonical import digest_of, sha256_file
from skerry.base.errors import InvalidInputError
from skerry.images import debian, golang, wheels
from skerry.images.definition import SCRATCH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from skerry.images.definition import Catalogue, Definition

# Raise it when the way images are put together changes their bytes.
RECIPE = 1
REPOSITORY = "localhost/skerry"
TAG_CHARS = 16
TOOLS = "tools"
FILES = "files"
BUILD_LOCK = "build.txt"  # requirements/build.txt: the installer of wheels and other tools that build
IGNORED_FOLDERS = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"})
IGNORED_SUFFIXES = (".pyc", ".pyo")
BASE_ENVIRONMENT = (
    ("PATH", "/usr/local/bin:/usr/bin:/usr/sbin"),
    ("LANG", "C.UTF-8"),
    ("TZ", "UTC"),
)


@dataclass(frozen=True)
class Entry:
    """One file of a tree: its path with `/`, whether it is executable, its SHA-256 or the target of a link."""

    path: str
    executable: bool
    content: str


def walk(tree: Path) -> Iterator[Path]:
    """Yield the files and links of a tree that belong to an image, sorted by path."""
    for place in sorted(tree.iterdir()):
        if place.is_symlink() or place.is_file():
            if place.suffix not in IGNORED_SUFFIXES:
                yield place
        elif place.is_dir() and place.name not in IGNORED_FOLDERS:
            yield from walk(place)


def is_executable(file: Path) -> bool:
    """Say whether the owner may execute a file: the one mode bit that git keeps."""
    return bool(file.stat().st_mode & stat.S_IXUSR)


def tree_entries(tree: Path) -> list[Entry]:
    """Return what of a tree decides an image.

    Raises:
        InvalidInputError: `images.outward_link` for a link that leads out of the tree.
    """
    found = []
    for place in walk(tree):
        name = place.relative_to(tree).as_posix()
        if place.is_symlink():
            target = place.readlink()
            if target.is_absolute() or ".." in target.parts:
                raise InvalidInputError("images.outward_link", f"{place} points to {target}", "copy the file instead")
            found.append(Entry(name, executable=False, content=f"-> {target}"))
        else:
            found.append(Entry(name, is_executable(place), sha256_file(place)))
    return found


@dataclass
class Inputs:
    """Digests of all images of a catalogue against one cache, each computed once."""

    catalogue: Catalogue
    cache: Path
    _digests: dict[str, str] = field(default_factory=dict)

    def digest(self, name: str) -> str:
        """Return the digest (64 hexadecimal characters) of everything an image is made from, its parents included."""
        if name not in self._digests:
            self._digests[name] = digest_of(self.of(name))
        return self._digests[name]

    def reference(self, name: str) -> str:
        """Return the name an image has in the engine's storage: `localhost/skerry/<name>:<16 characters>`."""
        return f"{REPOSITORY}/{name}:{self.digest(name)[:TAG_CHARS]}"

    def of(self, name: str) -> dict[str, object]:
        """Return the inputs themselves, with digests for contents; canonical JSON can hold them.

        Raises:
            NotFoundError: `images.unknown`, `images.not_locked`, `images.wheels_unlocked`, `images.no_copy`.
            InvalidInputError: `images.lock_outdated` and what the parts raise.
        """
        one = self.catalogue.get(name)
        checkout = self.catalogue.checkout
        parts: dict[str, object] = {
            "recipe": RECIPE,
            "name": one.name,
            "parent": SCRATCH if one.parent == SCRATCH else self.digest(one.parent),
            "uid": self.catalogue.uid(one),
            "labels": labels(one),
            "epoch": self.catalogue.release.epoch,
            "trees": {path: _tree(place) for path, place in self.trees(one).items()},
        }
        if one.parent == SCRATCH:
            parts["root"] = debian.root_digest(self.catalogue, one.name, self.cache)
            parts["environment"] = dict(BASE_ENVIRONMENT)
        else:
            parts["containerfile"] = sha256_file(one.containerfile)
        if one.debs:
            parts["debs"] = debian.inputs(one, self.cache)
        if one.python:
            parts["python"] = wheels.inputs(checkout.root / one.python)
            parts["installer"] = wheels.inputs(checkout.requirements / BUILD_LOCK)
        if one.go:
            parts["go"] = golang.inputs(one.folder, self.cache)
        return parts

    def trees(self, one: Definition) -> dict[str, Path]:
        """Return the folders and files of the checkout that go into a build context: place there -> place here."""
        root = self.catalogue.checkout.root
        found = {path: root / path for path in one.copies}
        if (one.folder / FILES).is_dir():
            found[FILES] = one.folder / FILES
        for name in self._tools(one):
            found[f"{TOOLS}/{name}"] = self.catalogue.checkout.images / TOOLS / name
        for path, place in found.items():
            if not place.exists():
                raise InvalidInputError("images.no_copy", f"images/{one.name}: {path} does not exist", "mend `copies`")
        return found

    def _tools(self, one: Definition) -> list[str]:
        """Return the shared build scripts that a Containerfile calls, and those they call: no others are its inputs."""
        if one.parent == SCRATCH:
            return []
        folder = self.catalogue.checkout.images / TOOLS
        known = {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}
        texts, found = [one.containerfile.read_text()], set[str]()
        while texts:
            text = texts.pop()
            new = {name for name in known if f"/{TOOLS}/{name}" in text} - found
            found |= new
            texts += [known[name] for name in new]
        return sorted(found)


def _tree(place: Path) -> list[list[object]]:
    if place.is_file():
        return [["", is_executable(place), sha256_file(place)]]
    return [[entry.path, entry.executable, entry.content] for entry in tree_entries(place)]


def labels(one: Definition) -> dict[str, str]:
    """Return the labels of an image (OCI image specification, annotations); the last one marks it as ours."""
    return {
        "org.opencontainers.image.title": f"skerry {one.name}",
        "org.opencontainers.image.version": one.version,
        "org.opencontainers.image.licenses": one.licence,
        "org.opencontainers.image.source": one.source,
        "org.skerry.image": one.name,
    }
