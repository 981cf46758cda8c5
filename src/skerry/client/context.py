"""Where the API is and with which key: one file, made by `skerry bootstrap`, or two variables.

Contract: the first of these that is there counts: SKERRY_API_URL with SKERRY_API_KEY; the file SKERRY_CONTEXT names;
`context.toml` in the state root of a stack on this host (SKERRY_STATE); `skerry/context.toml` in the person's XDG
configuration. The file holds a key: mode 0600. `connect_to` is an address to use in place of what the URL's name
means to this host; certificates are still checked against the name.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skerry.base.errors import InvalidInputError, PreconditionError
from skerry.base.paths import write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_NAME: Final = "context.toml"
DEFAULT_STATE: Final = "/var/lib/skerry/local"
PRIVATE: Final = 0o600


@dataclass(frozen=True)
class Context:
    """How to call the API: `ca` is a file with the roots to trust, the system's own when None."""

    url: str
    key: str = field(repr=False)
    organization: str = ""
    ca: Path | None = None
    connect_to: str = ""


def find_context(environment: Mapping[str, str] | None = None) -> Context:
    """Return the context that counts.

    Raises:
        PreconditionError: `client.no_context`.
        InvalidInputError: `client.bad_context`.
    """
    variables = os.environ if environment is None else environment  # noqa: TID251  the client's one place
    ca = Path(variables["SKERRY_API_CA"]) if variables.get("SKERRY_API_CA") else None
    if (url := variables.get("SKERRY_API_URL")) and (key := variables.get("SKERRY_API_KEY")):
        return Context(url.rstrip("/"), key, ca=ca)
    for path in places(variables):
        if path.is_file():
            return read_context(path)
    raise PreconditionError(
        "client.no_context",
        "no site is known to this account",
        "run `skerry bootstrap` on the host, or set SKERRY_API_URL and SKERRY_API_KEY",
    )


def places(variables: Mapping[str, str]) -> list[Path]:
    """Return where a context file may lie, in the order in which they count."""
    if named := variables.get("SKERRY_CONTEXT"):
        return [Path(named)]
    home = Path(variables.get("XDG_CONFIG_HOME") or Path(variables.get("HOME", "/")) / ".config")
    return [Path(variables.get("SKERRY_STATE") or DEFAULT_STATE) / FILE_NAME, home / "skerry" / FILE_NAME]


def read_context(path: Path) -> Context:
    """Read a context file.

    Raises:
        InvalidInputError: `client.bad_context`.
        PreconditionError: `client.context_unreadable`.
    """
    try:
        data = tomllib.loads(path.read_text())
        ca = data.get("ca")
        return Context(
            url=str(data["url"]).rstrip("/"),
            key=str(data["key"]),
            organization=str(data.get("organization", "")),
            ca=Path(ca) if ca else None,
            connect_to=str(data.get("connect_to", "")),
        )
    except PermissionError as error:
        raise PreconditionError(
            "client.context_unreadable", f"{path} cannot be read", "run as the account that made it"
        ) from error
    except (KeyError, ValueError) as error:
        raise InvalidInputError(
            "client.bad_context", f"{path} is no context: {error}", "make it anew: skerry bootstrap --new-key"
        ) from error


def store_context(path: Path, context: Context) -> None:
    """Write a context file, mode 0600."""
    values = {
        "url": context.url,
        "key": context.key,
        "organization": context.organization,
        "ca": str(context.ca or ""),
        "connect_to": context.connect_to,
    }
    lines = [f"{name} = {_quoted(value)}" for name, value in values.items() if value]
    write_atomic(path, ("\n".join(lines) + "\n").encode(), mode=PRIVATE)


def _quoted(text: str) -> str:
    if any(ord(char) < ord(" ") for char in text):
        raise InvalidInputError("client.bad_context", "a value has a control character", "use another")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
