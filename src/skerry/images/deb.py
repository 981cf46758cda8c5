"""Debian package files and control stanzas, read without Debian's tools where the format is small enough.

Source: deb(5), deb-control(5), ar(5).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from skerry.base import process
from skerry.base.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Stanza = dict[str, str]

AR_MAGIC = b"!<arch>\n"
AR_HEADER_BYTES = 60
AR_TIME = slice(16, 28)  # ar(5): name 16, modification time 12, ...


def parse_stanzas(text: str) -> list[Stanza]:
    """Return the paragraphs of a control file; continuation lines stay joined by their newlines."""
    stanzas: list[Stanza] = []
    current: Stanza = {}
    key = ""
    for line in text.splitlines():
        if not line.strip():
            if current:
                stanzas.append(current)
            current, key = {}, ""
        elif line[0] in " \t" and key:
            current[key] += "\n" + line
        else:
            key, _, value = line.partition(":")
            current[key] = value.strip()
    if current:
        stanzas.append(current)
    return stanzas


def render_stanzas(stanzas: Iterable[Stanza]) -> str:
    """Return paragraphs in the form `parse_stanzas` reads."""
    return "".join("".join(f"{key}: {value}\n" for key, value in stanza.items()) + "\n" for stanza in stanzas)


def read_control(deb: Path) -> Stanza:
    """Return the control fields of a package file.

    Raises:
        IntegrityError: `images.no_deb` when it holds none.
    """
    stanzas = parse_stanzas(process.run(["dpkg-deb", "--field", deb]).stdout)
    if len(stanzas) != 1:
        raise IntegrityError("images.no_deb", f"{deb} is no Debian package", "fetch it again")
    return stanzas[0]


def build_date(deb: Path) -> str:
    """Return the day a package was built (`2026-01-31`), as its first archive member says.

    Debian's builders set it to the date of the newest changelog entry, the upload the package comes from.

    Raises:
        IntegrityError: `images.no_deb` when the file is no ar archive.
    """
    with deb.open("rb") as stream:
        head = stream.read(len(AR_MAGIC) + AR_HEADER_BYTES)
    field = head[len(AR_MAGIC) :][AR_TIME].strip()
    if not head.startswith(AR_MAGIC) or not field.isdigit():
        raise IntegrityError("images.no_deb", f"{deb} is no Debian package", "fetch it again")
    return datetime.fromtimestamp(int(field), UTC).date().isoformat()
