"""bundle.licences: what is recognised, and that nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from skerry.bundle import licences

MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software ...
The above copyright notice and this permission notice shall be included in all copies."""
BSD2 = "Redistribution and use in source and binary forms, with or without modification, are permitted"
BSD3 = BSD2 + ". Neither the name of X nor the names of its contributors may be used to\n * endorse or promote products"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MIT, {"MIT"}),
        (MIT.split("The above", maxsplit=1)[0], {"MIT-0"}),
        (BSD2, {"BSD-2-Clause"}),
        (BSD3, {"BSD-3-Clause"}),
        (BSD3 + " All advertising materials mentioning", {"BSD-4-Clause"}),
        (MIT + BSD3, {"MIT", "BSD-3-Clause"}),
        ("You may do what I say.", set()),
        ("", set()),
    ],
)
def test_text(text: str, expected: set[str]) -> None:
    assert licences.classify_text(text) == expected


def test_our_own_licence_is_recognised() -> None:
    text = (Path(__file__).resolve().parents[3] / "LICENSE").read_text()
    assert licences.classify_text(text) == {"Apache-2.0"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-3", "GPL-3.0-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("LGPL-2", "LGPL-2.0-only"),
        ("Expat", "MIT"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("own-words", "own-words"),
    ],
)
def test_debian_names(name: str, expected: str) -> None:
    assert licences.from_debian_name(name) == expected


def test_debian_copyright_machine_readable() -> None:
    text = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Files: *
License: GPL-2+ or Artistic
Files: x
License: GPL-3+ with some exception
"""
    expected = {"GPL-2.0-or-later", "Artistic-1.0-Perl", "GPL-3.0-or-later"}
    assert licences.from_debian_copyright(text) == expected


def test_debian_copyright_by_reference() -> None:
    text = "The full text is in /usr/share/common-licenses/LGPL-2.1."
    assert licences.from_debian_copyright(text) == {"LGPL-2.1-only"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MIT", True),
        ("MIT AND (Apache-2.0 OR BSD-2-Clause)", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", True),
        ("BSD license", False),
        ("", False),
        ("AND", False),
    ],
)
def test_expression(text: str, expected: bool) -> None:  # noqa: FBT001  a table of cases
    assert licences.is_expression(text) is expected
