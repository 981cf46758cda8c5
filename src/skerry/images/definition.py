"""What images/<name>/image.toml says, as typed objects; reading it is validating it.

A folder with an image.toml and a Containerfile is an image. Without a Containerfile it is the root made of its
packages and nothing else (base, whose parent is scratch), or only a set of locked packages (buildroot).
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from skerry.base.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from skerry.base.paths import Checkout

SCRATCH = "scratch"
ROOT_USER = "root"
PURL = re.compile(r"pkg:(?P<kind>[a-z]+)/(?P<name>[A-Za-z0-9._/+-]+)")


@dataclass(frozen=True)
class GoBinary:
    """One program made from Go: the package, the file's name, whether it links C, and what the linker writes into it.

    A stamp is `import/path.Variable=value`: a version that its authors' own build scripts would set (`go tool link`,
    -X).
    """

    package: str
    output: str
    cgo: bool = False
    stamps: tuple[str, ...] = ()


@dataclass(frozen=True)
class CarriedPart:
    """Somebody else's work inside a Go module that build information does not name: C, C++, what was made from it.

    Args:
        purl: package URL without a version (`pkg:github/ggml-org/llama.cpp`).
        module: path of the Go module that carries it.
        trees: files and folders of the module that are made of it.
        licence: SPDX expression.
        read: the file of the module in which a person read the licence.
        version: what is carried; empty when the module does not say.
        version_in: a file of the module that says it.
        version_like: regular expression whose group is the version in that file.
    """

    purl: str
    module: str
    trees: tuple[str, ...]
    licence: str
    read: str
    version: str = ""
    version_in: str = ""
    version_like: str = ""


@dataclass(frozen=True)
class Definition:
    """One folder under images/.

    Args:
        name: the folder's name.
        folder: its place.
        parent: another image, or `scratch`.
        user: a key of release.toml [uids], or `root` for what is only built upon.
        version: the label; what ships.
        licence: SPDX expression.
        source: where the parts come from, for people.
        third_party: its digest stands in offline-bundle/digests.lock.
        debs: Debian packages asked for.
        leave_out: packages that are treated as there already.
        python: hash lock, relative to the checkout; empty for none.
        copies: folders of the checkout in the build context.
        go: programs to build.
        parts: what their modules carry of others.
        own_code: `module/path` of files and folders (not what lies in folders below) whose C, or what was made from it,
            the module's own authors wrote.
    """

    name: str
    folder: Path
    parent: str = SCRATCH
    user: str = ROOT_USER
    version: str = ""
    licence: str = ""
    source: str = ""
    third_party: bool = True
    debs: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    python: str = ""
    copies: tuple[str, ...] = ()
    go: tuple[GoBinary, ...] = ()
    parts: tuple[CarriedPart, ...] = ()
    own_code: tuple[str, ...] = ()

    @property
    def containerfile(self) -> Path:
        return self.folder / "Containerfile"

    @property
    def is_image(self) -> bool:
        """Say whether an image is made: a root of packages only (base) needs no Containerfile for that."""
        return self.containerfile.is_file() or self.parent == SCRATCH


@dataclass(frozen=True)
class Release:
    """The parts of appliance/release.toml that images depend on."""

    version: str
    epoch: int
    suite: str
    architecture: str
    uids: Mapping[str, int]


@dataclass(frozen=True)
class Catalogue:
    """Every definition of a checkout, and the release it is part of."""

    checkout: Checkout
    release: Release
    definitions: Mapping[str, Definition]

    def get(self, name: str) -> Definition:
        """Return one definition.

        Raises:
            NotFoundError: `images.unknown`.
        """
        if name not in self.definitions:
            raise NotFoundError(
                "images.unknown", f"there is no image {name!r}", f"known: {', '.join(sorted(self.definitions))}"
            )
        return self.definitions[name]

    def lineage(self, name: str) -> list[Definition]:
        """Return a definition and its parents, the oldest first."""
        line = [self.get(name)]
        while line[0].parent != SCRATCH:
            line.insert(0, self.get(line[0].parent))
        return line

    @cached_property
    def order(self) -> tuple[Definition, ...]:
        """All definitions, each after its parent."""
        return tuple(sorted(self.definitions.values(), key=lambda one: (len(self.lineage(one.name)), one.name)))

    @property
    def images(self) -> tuple[Definition, ...]:
        return tuple(one for one in self.order if one.is_image)

    def uid(self, definition: Definition) -> int:
        """Return the number an image runs as."""
        return 0 if definition.user == ROOT_USER else self.release.uids[definition.user]


def load_catalogue(checkout: Checkout) -> Catalogue:
    """Read release.toml and every images/*/image.toml.

    Raises:
        InvalidInputError: `images.definition` (unknown key, wrong type, unknown parent or user, a circle),
        `images.release`.
    """
    release = read_release(checkout.release)
    found = {file.parent.name: read_definition(file) for file in sorted(checkout.images.glob("*/image.toml"))}
    for one in found.values():
        _check(one, found, release)
    return Catalogue(checkout, release, found)


def read_release(file: Path) -> Release:
    """Read what images need of release.toml.

    Raises:
        InvalidInputError: `images.release` when a key is missing.
    """
    data = tomllib.loads(file.read_text())
    try:
        return Release(
            version=data["product"]["version"],
            epoch=data["product"]["source_date_epoch"],
            suite=data["debian"]["suite"],
            architecture=data["debian"]["architecture"],
            uids=data["uids"],
        )
    except KeyError as error:
        raise InvalidInputError("images.release", f"{file}: the key {error} is missing", "add it") from error


def read_definition(file: Path) -> Definition:
    """Read one image.toml.

    Raises:
        InvalidInputError: `images.definition` with the file and the key.
    """
    data = tomllib.loads(file.read_text())
    known = {one.name: one for one in fields(Definition) if one.name not in ("name", "folder")}
    _refuse_unknown(file, data, known)
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key == "go":
            values[key] = tuple(_go(file, entry) for entry in value)
        elif key == "parts":
            values[key] = tuple(_part(file, entry) for entry in value)
        elif str(known[key].type).startswith("tuple"):
            values[key] = _strings(file, key, value)
        else:
            wanted = bool if known[key].type == "bool" else str
            if not isinstance(value, wanted):
                raise _wrong(file, f"{key} must be a {wanted.__name__}")
            values[key] = value
    for key in ("parent", "user", "source"):
        if key not in data:
            raise _wrong(file, f"{key} is missing")
    return Definition(name=file.parent.name, folder=file.parent, **values)


def _go(file: Path, entry: Mapping[str, Any]) -> GoBinary:
    _refuse_unknown(file, entry, {one.name for one in fields(GoBinary)})
    try:
        return GoBinary(**{**entry, "stamps": _strings(file, "stamps", entry.get("stamps", []))})
    except TypeError as error:
        raise _wrong(file, f"[[go]] needs package and output: {error}") from error


def _part(file: Path, entry: Mapping[str, Any]) -> CarriedPart:
    _refuse_unknown(file, entry, {one.name for one in fields(CarriedPart)})
    texts = {key: value for key, value in entry.items() if key != "trees"}
    if not all(isinstance(value, str) for value in texts.values()):
        raise _wrong(file, "[[parts]]: every key but trees is a string")
    try:
        part = CarriedPart(**texts, trees=_strings(file, "trees", entry.get("trees")))
    except TypeError as error:
        raise _wrong(file, f"[[parts]] needs purl, module, trees, licence and read: {error}") from error
    if PURL.fullmatch(part.purl) is None:
        raise _wrong(file, f"[[parts]]: {part.purl!r} is no package URL without a version")
    if not part.trees or bool(part.version_in) != bool(part.version_like) or (part.version and part.version_in):
        raise _wrong(file, f"[[parts]] {part.purl}: give trees, and version or both version_in and version_like")
    return part


def _strings(file: Path, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(file, f"{key} must be a list of strings")
    return tuple(value)


def _refuse_unknown(file: Path, data: Mapping[str, Any], known: Sequence[str] | set[str] | Mapping[str, Any]) -> None:
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise _wrong(file, f"unknown key {', '.join(unknown)}")


def _wrong(file: Path, what: str) -> InvalidInputError:
    return InvalidInputError("images.definition", f"{file}: {what}", "see src/skerry/images/definition.py for the keys")


def _check(one: Definition, found: Mapping[str, Definition], release: Release) -> None:
    file = one.folder / "image.toml"
    if one.user != ROOT_USER and one.user not in release.uids:
        raise _wrong(file, f"user {one.user!r} is no key of release.toml [uids]")
    if one.is_image and not (one.version and one.licence):
        raise _wrong(file, f"{'licence' if one.version else 'version'} is missing")
    seen = [one.name]
    parent = one.parent
    while parent != SCRATCH:
        if parent not in found:
            raise _wrong(file, f"the parent {parent!r} does not exist")
        if parent in seen:
            raise _wrong(file, f"the parents go in a circle: {' -> '.join([*seen, parent])}")
        seen.append(parent)
        parent = found[parent].parent
