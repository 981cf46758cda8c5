"""What appliance/release.toml says: versions and uids, written once.

Contract: uids are unique, above those of packages of the host (Debian gives packages up to 999, people from 1000) and
below the first subordinate range (100000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from skerry.base.errors import InvalidInputError
from skerry.stack.definition import NAME
from skerry.stack.parse import Place, Rules, parse, read_toml

if TYPE_CHECKING:
    from pathlib import Path

UID_MIN = 2000
UID_MAX = 9999


@dataclass(frozen=True)
class Product:
    """What is released."""

    name: Annotated[str, Rules("name of the product", pattern=NAME)]
    version: Annotated[str, Rules("version, semantic", pattern=r"\d+\.\d+\.\d+([a-z0-9.+-]*)")]
    source_date_epoch: Annotated[
        int, Rules("seconds since 1970: every time inside an image is clamped to it", minimum=0)
    ]
    licence: Annotated[str, Rules("SPDX expression", not_empty=True)]


@dataclass(frozen=True)
class Debian:
    """The distribution images are made from."""

    suite: Annotated[str, Rules("code name", pattern=r"[a-z]+")]
    architecture: Annotated[str, Rules("Debian's name of the architecture", pattern=r"[a-z0-9]+")]


@dataclass(frozen=True)
class Toolchain:
    """What compiles, and for which processors."""

    go: Annotated[str, Rules("version of Go", pattern=r"\d+\.\d+(\.\d+)?")]
    cpu: Annotated[str, Rules("least x86-64 level of a target host", pattern=r"x86-64(-v[234])?")]


@dataclass(frozen=True)
class Release:
    """release.toml as a whole."""

    product: Product
    debian: Debian
    toolchain: Toolchain
    uids: Annotated[dict[str, int], Rules("one number a service or job", keys=NAME, minimum=UID_MIN, maximum=UID_MAX)]


def load_release(path: Path, *, root: Path) -> Release:
    """Return what release.toml says.

    Raises:
        InvalidInputError: `stack.no_file`, `stack.not_toml`, `stack.unknown_key`, `stack.missing_key`,
            `stack.wrong_type`, `stack.bad_value`, `stack.uid_twice`.
    """
    file = str(path.relative_to(root))
    return parse_release(read_toml(path, name=file), file=file)


def parse_release(table: dict[str, object], *, file: str) -> Release:
    """Return a release from its tables; errors as for `load_release`."""
    release = parse(Release, table, Place(file))
    owners: dict[int, str] = {}
    for name, uid in release.uids.items():
        if uid in owners:
            raise InvalidInputError(
                "stack.uid_twice", f"{file}: uids.{name} is {uid}, like uids.{owners[uid]}", "give each its own number"
            )
        owners[uid] = name
    return release
