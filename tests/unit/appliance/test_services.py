"""Rules for the service files that their types cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skerry.base.paths import find_checkout

if TYPE_CHECKING:
    from pathlib import Path

SERVICES = sorted(find_checkout().services.glob("*.toml"))


def without_reason(text: str) -> list[str]:
    """Return the keys of [security] that have no comment right above them: each is an exception that needs a reason."""
    found = []
    section, before = "", ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.split("#", maxsplit=1)[0].strip()
        elif section == "[security]" and "=" in line and not line.startswith("#") and not before.startswith("#"):
            found.append(line.partition("=")[0].strip())
        before = line
    return found


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_an_exception_from_the_strict_defaults_has_its_reason(path: Path) -> None:
    assert without_reason(path.read_text()) == []


def test_one_without_a_reason_is_seen() -> None:
    text = '[security]\n# nested sandboxes\nunmask = true\ncapabilities = ["CHOWN"]\n[limits]\nmemory_mib = 1\n'
    assert without_reason(text) == ["capabilities"]
