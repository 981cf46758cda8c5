"""What Go's build information does not name: C, C++ and what was made from them, inside the modules of a program.

Contract: an image's definition names such parts (`[[parts]]`) and the modules' own C (`own_code`). `carried_parts` asks
`go list` what is compiled, and refuses both a file of that kind that nothing names and a name that nothing stands for:
the list follows go.sum or the build ends. Looked at are the files that cgo compiles, the header folders it is told of,
object files, embedded WebAssembly, and Go that a translator made from C. Headers of Debian's build root need no entry:
they are found by what the sources include.
Source: `go help list` (struct Package), cgo's `#cgo` directives, the header line of modernc.org/ccgo.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from skerry.base.errors import IntegrityError
from skerry.bundle import licences
from skerry.bundle.sbom import Part
from skerry.images import debian, golang, parts
from skerry.images.parts import LICENCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from skerry.images.definition import CarriedPart, Catalogue, Definition

# go list's words for files that are C, C++, Objective-C, Fortran, or compiled already.
LINKED: Final = ("CFiles", "CXXFiles", "MFiles", "FFiles", "SysoFiles", "SwigFiles", "SwigCXXFiles")
# With cgo in a package these go to the C compiler; without it assembler is Go's own kind.
BESIDE_CGO: Final = ("HFiles", "SFiles")
HEADER_SUFFIXES: Final = frozenset({".h", ".hh", ".hpp", ".hxx", ".inc", ".inl"})
C_SUFFIXES: Final = HEADER_SUFFIXES | {".c", ".cc", ".cpp", ".cxx"}
PASSED_OVER: Final = ("_", ".", "testdata")  # folders that are no part of a module's packages
COMPILED_SUFFIXES: Final = frozenset({".a", ".dll", ".dylib", ".o", ".so", ".syso", ".wasm"})
TRANSLATED: Final = re.compile(
    rb"^// Code generated (?:for \w+/\w+ )?by '(?:\S*ccgo|generator|gcc|cc|clang)\b", re.MULTILINE
)
HEAD_BYTES: Final = 256
INCLUDE: Final = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\n]+)[>"]', re.MULTILINE)
# What compiles: the run-time libraries it links are in the images as Debian packages of their own.
TOOLCHAIN: Final = frozenset({"g++", "gcc", "libc6-dev", "make"})
HEADERS: Final = "/usr/include/"
HINT: Final = "see [[parts]] and own_code in src/skerry/images/definition.py"
SHOWN: Final = 5


@dataclass(frozen=True, order=True)
class Carried:
    """One file of a module that is compiled, included or embedded, and is not Go that its authors wrote.

    `path` is relative to the module; `place` is where it lies here.
    """

    module: str
    path: str
    place: Path


def carried_parts(catalogue: Catalogue, one: Definition, cache: Path) -> list[Part]:
    """Return the parts inside one definition's Go programs that no module list names.

    Raises:
        IntegrityError: `sbom.unnamed_code`, `sbom.stale_part`, `sbom.no_version`, `sbom.other_licence`.
    """
    listed = [(program, golang.list_compiled(one.folder, program, cache)) for program in one.go]
    packages = [package for _, found in listed for package in found]
    found = find_carried(packages)
    tops = {package["Module"]["Path"]: _top(package) for package in packages}
    want_named(one, found)
    made = [make_part(part, tops.get(part.module)) for part in one.parts]
    linked = [package for program, those in listed if program.cgo for package in those]
    if linked:
        compiled = {item.place for item in find_carried(linked) if item.place.suffix in C_SUFFIXES}
        ours = {file for file in (one.folder / "include").rglob("*") if file.is_file()}
        made += header_parts(catalogue, debian.buildroot(cache), compiled | ours)
    return made


def _top(package: Mapping[str, Any]) -> Path:
    return Path(package["Module"].get("Replace", package["Module"])["Dir"])


def find_carried(packages: Iterable[Mapping[str, Any]]) -> set[Carried]:
    """Return the files of `packages` (as `golang.list_compiled` gives them) that build information does not name."""
    packages = list(packages)
    tops = {_top(package): package["Module"]["Path"] for package in packages}
    places: set[Path] = set()
    for package in packages:
        folder = Path(package["Dir"])
        kinds = (*LINKED, *(BESIDE_CGO if package.get("CgoFiles") else ()))
        places |= {folder / name for kind in kinds for name in package.get(kind) or ()}
        places |= {folder / name for name in package.get("EmbedFiles") or () if Path(name).suffix in COMPILED_SUFFIXES}
        places |= {folder / name for name in package.get("GoFiles") or () if _is_translated(folder / name)}
        places |= set(_included(package))
    found = set()
    for place in places:
        for top, module in tops.items():
            if place.is_relative_to(top):
                found.add(Carried(module, place.relative_to(top).as_posix(), place))
    return found


def _is_translated(file: Path) -> bool:
    with file.open("rb") as stream:
        return TRANSLATED.search(stream.read(HEAD_BYTES)) is not None


def _included(package: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the headers below the folders that a package's `#cgo` lines add to the search for them."""
    flags = {flag for key in ("CgoCPPFLAGS", "CgoCFLAGS", "CgoCXXFLAGS") for flag in package.get(key) or ()}
    for flag in flags:
        # Without `..`, but as the module cache is named: a repetition's cache is a link to another.
        folder = Path(os.path.normpath(flag.removeprefix("-I")))
        if flag.startswith("-I") and folder.is_absolute() and folder.is_dir():
            yield from _headers(folder)


def _headers(folder: Path) -> Iterator[Path]:
    for place in folder.iterdir():
        if place.is_dir() and not place.name.startswith(PASSED_OVER):
            yield from _headers(place)
        elif place.suffix in HEADER_SUFFIXES:
            yield place


def want_named(one: Definition, found: Iterable[Carried]) -> None:
    """Hold what was found to what the definition names, both ways.

    Raises:
        IntegrityError: `sbom.unnamed_code` for a file that nothing names, `sbom.stale_part` for a name without a file.
    """
    found = sorted(found)
    named = {(part.module, tree) for part in one.parts for tree in part.trees}
    unnamed = [item for item in found if not _owned(one, item) and not any(_is_in(item, *pair) for pair in named)]
    if unnamed:
        shown = ", ".join(f"{item.module}/{item.path}" for item in unnamed[:SHOWN])
        more = f" and {len(unnamed) - SHOWN} more" if len(unnamed) > SHOWN else ""
        raise IntegrityError("sbom.unnamed_code", f"images/{one.name}: nothing names {shown}{more}", HINT)
    stale = [
        f"{module}/{tree}" for module, tree in sorted(named) if not any(_is_in(item, module, tree) for item in found)
    ]
    stale += [path for path in one.own_code if not any(path in _names(item) for item in found)]
    if stale:
        raise IntegrityError("sbom.stale_part", f"images/{one.name}: nothing is compiled of {', '.join(stale)}", HINT)


def _owned(one: Definition, item: Carried) -> bool:
    return bool(set(one.own_code) & set(_names(item)))


def _names(item: Carried) -> tuple[str, str]:
    """Return a file and its folder as `own_code` writes them."""
    whole = f"{item.module}/{item.path}"
    return whole, whole.rpartition("/")[0]


def _is_in(item: Carried, module: str, tree: str) -> bool:
    return item.module == module and (item.path == tree or item.path.startswith(f"{tree}/"))


def make_part(part: CarriedPart, top: Path | None) -> Part:
    """Return the part as the SBOM lists it, its version read from the module and its licence held to the module's text.

    Args:
        part: what the definition says.
        top: the module's folder; None when no program is compiled from it.

    Raises:
        IntegrityError: `sbom.stale_part` when the module or its licence file is gone, `sbom.no_version`,
            `sbom.other_licence` when the file is the text of another licence.
    """
    if top is None or not (top / part.read).is_file():
        raise IntegrityError("sbom.stale_part", f"{part.purl}: {part.module} has no {part.read}", HINT)
    said = licences.classify_text((top / part.read).read_text(errors="replace"))
    if said and not said & set(re.split(r"[ ()]+", part.licence)):
        raise IntegrityError(
            "sbom.other_licence", f"{part.purl}: {part.read} is {' and '.join(sorted(said))}, not {part.licence}", HINT
        )
    kind, _, name = part.purl.removeprefix("pkg:").partition("/")
    return Part(kind, name, _version(part, top), (part.licence,))


def _version(part: CarriedPart, top: Path) -> str:
    if not part.version_in:
        return part.version
    file = top / part.version_in
    match = re.search(part.version_like, file.read_text(errors="replace")) if file.is_file() else None
    if match is None:
        raise IntegrityError(
            "sbom.no_version", f"{part.purl}: {part.version_in} does not say {part.version_like}", HINT
        )
    return match[1]


def header_parts(catalogue: Catalogue, root: Path, sources: Iterable[Path]) -> list[Part]:
    """Return the Debian packages, besides the compiler, whose headers `sources` include.

    Args:
        catalogue: whose buildroot names the packages that may be.
        root: the build root.
        sources: C files that are compiled, and headers they may find first.
    """
    included = {name for file in sources for name in INCLUDE.findall(file.read_text(errors="replace"))}
    info, wanted = root / "var/lib/dpkg/info", set()
    for name in set(catalogue.get(debian.BUILDROOT).debs) - TOOLCHAIN:
        lists = [*info.glob(f"{name}.list"), *info.glob(f"{name}:*.list")]
        headers = {line.removeprefix(HEADERS) for file in lists for line in file.read_text().splitlines()}
        if headers & included:
            wanted.add(name)
    overrides = parts.read_overrides(catalogue.checkout.images / LICENCES)
    installed = parts.deb_parts(root, distribution=f"debian-{catalogue.release.suite}", overrides=overrides)
    return [part for part in installed if part.name in wanted]
