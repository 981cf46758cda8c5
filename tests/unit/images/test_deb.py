"""Package files and stanzas, against files that dpkg-deb made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.images.repository import Archive

from skerry.base.errors import IntegrityError
from skerry.images.deb import build_date, parse_stanzas, read_control, render_stanzas

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """Package: one
Description: first
 more of it
 .
Tag: a,
 b

Package: two
Version: 1:2-3

"""


def test_stanzas_are_read_and_written_back() -> None:
    stanzas = parse_stanzas(TEXT)
    assert [stanza["Package"] for stanza in stanzas] == ["one", "two"]
    assert stanzas[0]["Description"] == "first\n more of it\n ."
    assert stanzas[1]["Version"] == "1:2-3"
    assert parse_stanzas(render_stanzas(stanzas)) == stanzas


def test_a_package_says_what_it_is_and_when_it_was_built(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    deb = tmp_path / archive.add("one", "1.0", depends="two (>= 1)", built="1793491200")
    assert read_control(deb)["Depends"] == "two (>= 1)"
    assert build_date(deb) == "2026-11-01"


@pytest.mark.parametrize(
    "data", [b"", b"!<arch>\n", b"not an archive at all, but long enough for a header to be read out of it"]
)
def test_what_is_no_package_has_no_date(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "x.deb"
    file.write_bytes(data)
    with pytest.raises(IntegrityError) as raised:
        build_date(file)
    assert raised.value.code == "images.no_deb"
