"""Which licence a part is under, as SPDX identifiers, from what the part itself says.

Three kinds of evidence, in the order in which they are believed: a declared SPDX expression, a Debian copyright file
(Debian's machine-readable format 1.0, or the licences it refers to), and the text of a licence file, recognised by the
sentences that only this licence has. What is not recognised is not guessed: the caller fails or looks it up in the
reviewed overrides.

Source: SPDX licence list 3.x for the identifiers; Debian copyright-format 1.0 for the short names.
"""

from __future__ import annotations

import re
from typing import Final

# Sentences that a licence text must contain, after folding case and white space; each pattern decides one licence.
_TEXTS: Final[tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]] = (
    ("Apache-2.0", ("apache license", "version 2.0"), ()),
    ("AGPL-3.0-only", ("gnu affero general public license", "version 3, 19 november 2007"), ()),
    ("LGPL-3.0-only", ("gnu lesser general public license", "version 3, 29 june 2007"), ()),
    ("LGPL-2.1-only", ("gnu lesser general public license", "version 2.1, february 1999"), ()),
    ("GPL-3.0-only", ("gnu general public license version 3, 29 june 2007",), ()),
    ("GPL-2.0-only", ("gnu general public license version 2, june 1991",), ()),
    ("MPL-2.0", ("mozilla public license", "2.0"), ()),
    ("EPL-2.0", ("eclipse public license - v 2.0",), ()),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",), ()),
    ("CC0-1.0", ("cc0 1.0 universal",), ()),
    ("CC-BY-4.0", ("creative commons attribution 4.0 international",), ()),
    ("CC-BY-SA-4.0", ("creative commons attribution-sharealike 4.0 international",), ()),
    ("BSL-1.0", ("boost software license - version 1.0",), ()),
    ("OFL-1.1", ("sil open font license version 1.1",), ()),
    ("PSF-2.0", ("python software foundation license version 2",), ()),
    ("Zlib", ("this software is provided 'as-is', without any express or implied warranty", "misrepresented"), ()),
    (
        "PostgreSQL",
        ("permission to use, copy, modify, and distribute this software and its documentation", "postgresql"),
        (),
    ),
    (
        "MIT",
        (
            "permission is hereby granted, free of charge, to any person obtaining a copy",
            "this permission notice shall",
        ),
        (),
    ),
    (
        "MIT-0",
        ("permission is hereby granted, free of charge, to any person obtaining a copy",),
        ("permission notice",),
    ),
    (
        "ISC",
        (
            "permission to use, copy, modify, and",
            "distribute this software for any purpose with or without fee",
            "notice",
        ),
        (),
    ),
    ("BSD-4-Clause", ("redistribution and use in source and binary forms", "all advertising materials"), ()),
    (
        "BSD-3-Clause",
        ("redistribution and use in source and binary forms", "endorse or promote products"),
        ("all advertising materials",),
    ),
    (
        "BSD-2-Clause",
        ("redistribution and use in source and binary forms",),
        ("endorse or promote products", "all advertising materials"),
    ),
)

# Debian's short names that are not SPDX identifiers already.
_DEBIAN: Final = {
    "apache-2": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "artistic-2.0": "Artistic-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "bsl-1.0": "BSL-1.0",
    "boost-1.0": "BSL-1.0",
    "cc0": "CC0-1.0",
    "cc0-1.0": "CC0-1.0",
    "expat": "MIT",
    "mit": "MIT",
    "gfdl-1.3": "GFDL-1.3-only",
    "gfdl-1.3+": "GFDL-1.3-or-later",
    "isc": "ISC",
    "mpl-1.1": "MPL-1.1",
    "mpl-2.0": "MPL-2.0",
    "postgresql": "PostgreSQL",
    "psf-2": "PSF-2.0",
    "unicode": "Unicode-3.0",
    "zlib": "Zlib",
}
KNOWN_SPDX: Final = frozenset(
    {spdx for spdx, _, _ in _TEXTS}
    | set(_DEBIAN.values())
    | {"blessing"}  # SQLite's
    | {
        f"{kind}-{end}"
        for kind in ("GPL-2.0", "GPL-3.0", "LGPL-2.0", "LGPL-2.1", "LGPL-3.0")
        for end in ("only", "or-later")
    }
)
"""SPDX identifiers that this module can name; a document may carry these as ids, everything else as names."""

_GNU: Final = re.compile(r"^(L|A)?GPL-?(?:v)?(\d)(?:\.(\d))?(\+)?$", re.IGNORECASE)
_COMMON: Final = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])")
_CLASSIFIERS: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "zlib/libpng License": "Zlib",
}
_SPDX_ATOM: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9.-]*\+?$")
_OPERATORS: Final = {"AND", "OR", "WITH"}


def classify_text(text: str) -> set[str]:
    """Return the SPDX identifiers of the licences whose text is inside `text`; empty when none is recognised."""
    folded = " ".join(re.sub(r"[*#/>]+", " ", text.lower()).split())
    return {
        spdx
        for spdx, wanted, unwanted in _TEXTS
        if all(part in folded for part in wanted) and not any(part in folded for part in unwanted)
    }


def from_debian_name(name: str) -> str:
    """Return the SPDX identifier for a Debian short name, or the name as it stands when SPDX has none."""
    plain = name.strip().strip(",").strip()
    if found := _DEBIAN.get(plain.lower()):
        return found
    if match := _GNU.match(plain):
        kind, major, minor, later = match.groups()
        family = f"{(kind or '').upper()}GPL-{major}.{minor or '0'}"
        return f"{family}-{'or-later' if later else 'only'}"
    return plain


def from_debian_copyright(text: str) -> set[str]:
    """Return the licences that a Debian copyright file names.

    The machine-readable format is read by its `License:` fields (names joined by `and` or `or`); any other by
    the common licences it refers to and the licence texts it holds.
    """
    names: set[str] = set()
    if re.search(r"^Format:.*copyright-format", text, re.MULTILINE):
        for field in re.findall(r"^License:[ \t]*(\S[^\n]*)$", text, re.MULTILINE):
            names.update(re.split(r",?\s+(?:and/or|and|or)\s+|,\s*|\s*\|\s*", field))
    names = {from_debian_name(re.sub(r"\s+with\s+.*$", "", name)) for name in names if name.strip()}
    names |= {from_debian_name(name) for name in _COMMON.findall(text) if not names}
    return names | (classify_text(text) if not names else set())


def from_classifiers(classifiers: list[str]) -> set[str]:
    """Return the licences named by a wheel's `Classifier: License :: ...` lines."""
    tails = [line.rsplit("::", 1)[1].strip() for line in classifiers if line.startswith("License ::")]
    return {_CLASSIFIERS[tail] for tail in tails if tail in _CLASSIFIERS}


def is_expression(text: str) -> bool:
    """Say whether `text` has the form of an SPDX expression (identifiers joined by AND, OR, WITH and brackets)."""
    words = text.replace("(", " ").replace(")", " ").split()
    atoms = [word for word in words if word not in _OPERATORS]
    return bool(atoms) and len(atoms) == (len(words) + 1) // 2 and all(_SPDX_ATOM.match(atom) for atom in atoms)
