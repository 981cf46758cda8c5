"""What appliance/secrets.toml says: every secret the host makes, and how. Names and rules only, never a value.

Contract: one table per secret. `random` values are made once on the host that owns them; `rendered` ones are filled
from a template and other secrets, again whenever one of these changes; `enrolled` ones are handed over by
`skerry workers enroll`, one per worker pool (their name holds `${queue_id}`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from skerry.base.errors import InvalidInputError
from skerry.stack.definition import RELATIVE, SECRET
from skerry.stack.parse import Place, Rules, parse, read_toml

if TYPE_CHECKING:
    from pathlib import Path

POOL_MARK = "${queue_id}"


@dataclass(frozen=True)
class Secret:
    """One secret: who makes it and in which form."""

    kind: Annotated[Literal["random", "rendered", "enrolled"], Rules("who makes it")]
    about: Annotated[str, Rules("one line: what it opens", not_empty=True)]
    bytes: Annotated[int, Rules("random: how many random bytes", minimum=16, maximum=1024)] = 32
    encoding: Annotated[Literal["hex", "base64url"], Rules("random: how they are written (no padding)")] = "hex"
    prefix: Annotated[str, Rules("random: text before them, for formats that want one", pattern=r"[A-Za-z0-9_-]*")] = ""
    template: Annotated[str, Rules("rendered: the template, a path in the checkout", pattern=RELATIVE)] = ""
    holds: Annotated[tuple[str, ...], Rules("rendered: the secrets its template holds", pattern=SECRET)] = ()
    name: str = ""


def load_secrets(path: Path, *, root: Path) -> dict[str, Secret]:
    """Return the secrets by name, sorted.

    Args:
        path: appliance/secrets.toml.
        root: the checkout, to which paths in messages are relative.

    Raises:
        InvalidInputError: `stack.no_file`, `stack.not_toml`, `stack.unknown_key`, `stack.missing_key`,
            `stack.wrong_type`, `stack.bad_value`, `stack.secret_shape`.
    """
    file = str(path.relative_to(root))
    return parse_secrets(read_toml(path, name=file), file=file)


def parse_secrets(table: dict[str, object], *, file: str) -> dict[str, Secret]:
    """Return the secrets by name, sorted; errors as for `load_secrets`."""
    found: dict[str, Secret] = {}
    for name in sorted(table):
        place = Place(file, name)
        if not re.fullmatch(SECRET, name):
            raise InvalidInputError("stack.bad_value", f"{place} is not a name of a secret", f"write {SECRET}")
        value = table[name]
        if isinstance(value, dict) and "name" in value:
            raise InvalidInputError(
                "stack.unknown_key", f"{place}.name is not a known key", "the table's title says it"
            )
        secret = parse(Secret, {**value, "name": name} if isinstance(value, dict) else value, place)
        _check_shape(secret, set(value) if isinstance(value, dict) else set(), place)
        found[name] = secret
    return found


def _check_shape(secret: Secret, given: set[str], place: Place) -> None:
    own = {"random": {"bytes", "encoding", "prefix"}, "rendered": {"template", "holds"}, "enrolled": set[str]()}
    for kind, keys in own.items():
        if kind != secret.kind and (wrong := given & keys):
            raise InvalidInputError(
                "stack.secret_shape", f"{place}: {min(wrong)} belongs to kind {kind!r}", f"this one is {secret.kind!r}"
            )
    if secret.kind == "rendered" and not secret.template:
        raise InvalidInputError("stack.secret_shape", f"{place.inside('template')} is missing", "name its template")
    if (secret.kind == "enrolled") != (POOL_MARK in secret.name):
        raise InvalidInputError(
            "stack.secret_shape",
            f"{place}: an enrolled secret, and no other, has {POOL_MARK} in its name",
            "one is made for each worker pool",
        )
