"""offline-bundle/digests.lock: the digests that every cold build on any machine must reach.

Contract: one table a kind (`[go]`: "component/program" = sha256 of the file; `[images]`: name = digest of the image's
configuration), keys sorted. Writing one table leaves the others, and the comments above each, as they are.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from skerry.base.errors import InvalidInputError
from skerry.base.paths import write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skerry.base.paths import Checkout

DIGEST = re.compile(r"[0-9a-f]{64}")
HEADER = (
    "# Digests that every cold build reaches, on any machine, when its inputs are as locked. Made by `skerry images`.\n"
)


def read_table(checkout: Checkout, table: str) -> dict[str, str]:
    """Return one table; empty when the file or the table is not there.

    Raises:
        InvalidInputError: `images.digests_lock` for anything that is not a SHA-256.
    """
    place = checkout.digests_lock
    if not place.is_file():
        return {}
    found = tomllib.loads(place.read_text()).get(table, {})
    wrong = [name for name, digest in found.items() if not isinstance(digest, str) or not DIGEST.fullmatch(digest)]
    if wrong:
        raise InvalidInputError("images.digests_lock", f"{place} [{table}]: {wrong[0]} is no SHA-256", "lock it again")
    return dict(found)


def update_table(checkout: Checkout, table: str, entries: Mapping[str, str], *, replacing: str = "") -> bool:
    """Set the entries of one table whose names begin with `replacing` (all of them by default).

    Those that are not in `entries` go; other names stay. Returns False when nothing changed.
    """
    before = read_table(checkout, table)
    after = {**{name: digest for name, digest in before.items() if not name.startswith(replacing)}, **entries}
    if after == before:
        return False
    place = checkout.digests_lock
    text = place.read_text() if place.is_file() else HEADER
    write_atomic(place, _replace(text, table, after).encode())
    return True


def _replace(text: str, table: str, entries: Mapping[str, str]) -> str:
    body = f"[{table}]\n" + "".join(f'"{name}" = "{entries[name]}"\n' for name in sorted(entries))
    pattern = re.compile(rf'^\[{re.escape(table)}\]\n(?:"?[\w./-]+"? = .*\n?|\n(?=["\w]))*', re.MULTILINE)
    if pattern.search(text):
        return pattern.sub(lambda _: body, text, count=1)
    return text.rstrip("\n") + "\n\n" + body
