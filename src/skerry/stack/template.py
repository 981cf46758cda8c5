"""Templates with `${name}` and nothing else: no bare `$name`, `$$` for a dollar sign, every name must be known.

Contract: names are those of secrets (with hyphens, `${postgres-app}`) and variables (with underscores, `${site_name}`).
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from skerry.base.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Braced(string.Template):
    """string.Template whose names stand in braces and may hold hyphens."""

    # `named` can never match: a bare $name is an error here, because configuration files are full of them.
    pattern = r"""
        \$(?:
          (?P<escaped>\$)
        | (?P<named>(?!))
        | \{(?P<braced>[a-z][a-z0-9_-]*)\}
        | (?P<invalid>)
        )
    """  # type: ignore[assignment]


def names_in(text: str, *, where: str) -> tuple[str, ...]:
    """Return the names a template asks for, sorted.

    Raises:
        InvalidInputError: `stack.bad_template` when a dollar sign is neither `$$` nor `${name}`.
    """
    names: set[str] = set()
    for match in Braced.pattern.finditer(text):  # type: ignore[attr-defined]
        if match["invalid"] is not None:
            line = text.count("\n", 0, match.start()) + 1
            raise InvalidInputError(
                "stack.bad_template",
                f"{where}: line {line} has a dollar sign that is no ${{name}}",
                "write $$ for a dollar sign",
            )
        if match["braced"]:
            names.add(match["braced"])
    return tuple(sorted(names))


def fill(text: str, values: Mapping[str, str], *, where: str) -> str:
    """Return `text` with every `${name}` replaced.

    Args:
        text: the template.
        values: what each name stands for.
        where: the file and key, for messages.

    Raises:
        InvalidInputError: `stack.bad_template`, `stack.unknown_variable`.
    """
    for name in names_in(text, where=where):
        if name not in values:
            known = ", ".join(f"${{{known}}}" for known in sorted(values)) or "none"
            raise InvalidInputError(
                "stack.unknown_variable", f"{where}: nothing is named ${{{name}}}", f"known: {known}"
            )
    return Braced(text).substitute(values)
