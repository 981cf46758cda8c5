"""What an image is made of, read from the image itself: Debian packages, wheels and the Go modules inside binaries.

The image is the evidence, not the lock: what is in the dpkg database, in a `.dist-info` folder or in a binary's build
information is listed, whether or not somebody asked for it. Where a part does not say its licence in a form that is
recognised, images/licences.toml holds what a person read, and where.
"""

from __future__ import annotations

import tomllib
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Final

from skerry.base.errors import IntegrityError, InvalidInputError
from skerry.base.process import run
from skerry.bundle import licences
from skerry.bundle.sbom import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from email.message import Message
    from pathlib import Path

LICENCES: Final = "licences.toml"
LICENCE_NAMES: Final = ("licen", "copying", "unlicense", "copyright", "notice")
_HEADER_LICENCE_CHARS: Final = 120

Overrides = dict[str, tuple[str, ...]]
"""`<kind>/<name>` -> licences read by a person (images/licences.toml)."""


def read_overrides(path: Path) -> Overrides:
    """Return the reviewed licences: tables `deb`, `golang`, `pypi`, each `name = {licences = [...], read = "where"}`.

    Raises:
        InvalidInputError: `sbom.override` when an entry lacks its licences or says nothing of where they were read.
    """
    found: Overrides = {}
    for kind, table in tomllib.loads(path.read_text()).items():
        for name, entry in table.items():
            if not entry.get("licences") or not entry.get("read"):
                raise InvalidInputError(
                    "sbom.override", f"{path.name}: {kind}/{name} needs `licences` and `read`", "say where it was read"
                )
            found[f"{kind}/{name}"] = tuple(entry["licences"])
    return found


def deb_parts(rootfs: Path, *, distribution: str, overrides: Overrides) -> list[Part]:
    """Return one part for each package that the dpkg database of `rootfs` calls installed."""
    status = rootfs / "var/lib/dpkg/status"
    if not status.is_file():
        return []
    parts = []
    for fields in _paragraphs(status.read_text()):
        if not fields.get("Status", "").endswith(" installed"):
            continue
        name = fields["Package"]
        found = overrides.get(f"deb/{name}") or tuple(sorted(_deb_licences(rootfs, name)))
        parts.append(
            Part("deb", name, fields["Version"], found, (("arch", fields["Architecture"]), ("distro", distribution)))
        )
    return parts


def _paragraphs(text: str) -> Iterator[Mapping[str, str]]:
    for block in text.split("\n\n"):
        if block.strip():
            yield {key: str(value) for key, value in HeaderParser().parsestr(block).items()}


def _deb_licences(rootfs: Path, name: str) -> set[str]:
    # A package's folder may be a link to another package's; it must not lead out of the image.
    path = rootfs / "usr/share/doc" / name
    for _ in range(3):
        if path.is_symlink():
            target = path.readlink()
            path = rootfs / str(target).lstrip("/") if target.is_absolute() else path.parent / target
    file = path / "copyright"
    return licences.from_debian_copyright(file.read_text(errors="replace")) if file.is_file() else set()


def wheel_parts(rootfs: Path, *, overrides: Overrides) -> list[Part]:
    """Return one part for each `.dist-info` folder under `rootfs`, but for those that a Debian package owns."""
    parts = []
    for metadata in sorted(rootfs.glob("opt/*/lib/python3*/site-packages/*.dist-info/METADATA")):
        fields = HeaderParser().parsestr(metadata.read_text(errors="replace"))
        name, version = str(fields["Name"]), str(fields["Version"])
        found = overrides.get(f"pypi/{name.lower()}") or _wheel_licences(
            metadata, fields.get_all("Classifier") or [], fields
        )
        parts.append(Part("pypi", name, version, tuple(sorted(found))))
    return parts


def _wheel_licences(metadata: Path, classifiers: list[str], fields: Message) -> Iterable[str]:
    for key in ("License-Expression", "License"):
        declared = str(fields.get(key) or "").strip()
        if declared and licences.is_expression(declared):
            return (declared,)
    if found := licences.from_classifiers([str(line) for line in classifiers]):
        return found
    declared = str(fields.get("License") or "").strip()
    if found := licences.classify_text(declared) or licences_of_folder(metadata.parent):
        return found
    return (declared,) if 0 < len(declared) <= _HEADER_LICENCE_CHARS and "\n" not in declared else ()


def licences_of_folder(folder: Path) -> set[str]:
    """Return the licences whose texts lie in `folder` or in a `licenses` folder inside it."""
    found: set[str] = set()
    for place in (folder, folder / "licenses", folder / "LICENSES"):
        if place.is_dir():
            for file in sorted(place.iterdir()):
                if file.is_file() and file.name.lower().startswith(LICENCE_NAMES):
                    found |= licences.classify_text(file.read_text(errors="replace"))
    return found


def go_parts(binaries: Iterable[Path], *, go: Path, modcache: Path, overrides: Overrides) -> list[Part]:
    """Return the Go toolchain's library and every module that the build information of `binaries` names.

    Args:
        binaries: files built by Go.
        go: the `go` program that reads the build information.
        modcache: the module cache whose folders hold the licence texts.
        overrides: reviewed licences.

    Raises:
        IntegrityError: `sbom.no_build_info` for a binary without build information.
    """
    parts: set[Part] = set()
    for binary in binaries:
        said = run([go, "version", "-m", binary]).stdout
        modules = list(_modules(said))
        if not modules:
            raise IntegrityError(
                "sbom.no_build_info", f"{binary.name} carries no Go build information", "build it with go build"
            )
        parts.add(Part("golang", "std", said.split("\n", 1)[0].rsplit("go", 1)[1].strip(), ("BSD-3-Clause",)))
        for module, version in modules:
            folder = modcache / f"{escape_module(module)}@{escape_module(version)}"
            found = overrides.get(f"golang/{module}") or _module_licences(folder, modcache)
            parts.add(Part("golang", module, version, tuple(sorted(found))))
    return sorted(parts)


def _modules(said: str) -> Iterator[tuple[str, str]]:
    """Yield (module, version) of each dependency, and of its replacement where there is one."""
    pending: tuple[str, str] | None = None
    for line in said.splitlines():
        words = line.split()
        if words[:1] == ["=>"]:
            pending = (words[1], words[2])
            continue
        if pending is not None:
            yield pending
            pending = None
        if words[:1] == ["dep"]:
            pending = (words[1], words[2])
    if pending is not None:
        yield pending


def _module_licences(folder: Path, modcache: Path) -> set[str]:
    """A module in a sub-folder of its repository often leaves its licence at the top: look upwards, not outwards."""
    place = folder
    while place != modcache and modcache in place.parents:
        if found := licences_of_folder(place):
            return found
        place = place.parent
    return set()


def escape_module(text: str) -> str:
    """Return a path or version as the module cache spells it, `!x` for `X` (Go modules reference, "Module cache")."""
    return "".join(f"!{char.lower()}" if char.isupper() else char for char in text)
