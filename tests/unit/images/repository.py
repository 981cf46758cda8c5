"""A Debian archive of our own on disk, for real apt: small packages built by dpkg-deb, indexed by hand, no network."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from skerry.base import process
from skerry.images.apt import Apt, Mirrors, private_apt
from skerry.images.deb import read_control, render_stanzas

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUITE = "trixie"
OLD = "1700000000"  # 2023-11-14


class Archive:
    """Packages under `pool/main`, offered by an index that says what the archive holds now."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "pool/main").mkdir(parents=True)
        self._offered: dict[str, str] = {}

    def add(self, name: str, version: str, *, depends: str = "", built: str = OLD, fields: str = "") -> str:
        """Build a package, offer it instead of its older version, and return its pool path."""
        tree = self.root / "tree" / f"{name}_{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "usr/share/doc" / name).mkdir(parents=True)
        (tree / "usr/share/doc" / name / "copyright").write_text("MIT\n")
        control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: a <a@b.example>\n"
        control += f"Depends: {depends}\n" if depends else ""
        (tree / "DEBIAN/control").write_text(f"{control}{fields}Description: test\n")
        path = f"pool/main/{name}_{version}_amd64.deb"
        process.run(
            ["dpkg-deb", "--root-owner-group", "--build", tree, self.root / path], env={"SOURCE_DATE_EPOCH": built}
        )
        self._offered[name] = path
        self.index()
        return path

    def index(self) -> None:
        """Write the index anew."""
        stanzas = []
        for path in sorted(self._offered.values()):
            data = (self.root / path).read_bytes()
            extra = {"Filename": path, "Size": str(len(data)), "SHA256": hashlib.sha256(data).hexdigest()}
            stanzas.append({**read_control(self.root / path), **extra})
        (self.root / "Packages").write_text(render_stanzas(stanzas))

    @contextmanager
    def apt(
        self, suite: str, architecture: str, *, mirrors: Mirrors | None = None, update: bool = True
    ) -> Iterator[Apt]:
        """Give what `private_apt` gives, with this archive for Debian's."""
        del mirrors
        here = Mirrors(f"file:{self.root}", f"file:{self.root}")
        with private_apt(suite, architecture, mirrors=here, update=False) as apt:
            (apt.root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{self.root} ./\n")
            if update:
                process.run(["apt-get", "update"], env={"APT_CONFIG": str(apt.root / "apt.conf")})
            yield apt
