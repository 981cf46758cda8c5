"""What the model door is told: addresses and paths from the environment, the master key from a file.

Contract: parsed once by `serve`, then passed in. The master key is never in the environment the process was started
with. The defaults are the names of the service graph (appliance/services/).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skerry.base.errors import PreconditionError

if TYPE_CHECKING:
    from collections.abc import Mapping

MASTER_KEY = "litellm-master-key"
JWKS_PATH = "/.well-known/jwks.json"
DEFAULTS = {
    "SKERRY_API_URL": "http://api:8000",
    "SKERRY_OLLAMA_URL": "http://ollama:11434",
    "SKERRY_MODEL_CATALOG": "/etc/skerry/models.toml",
    "SKERRY_SECRETS_DIR": "/run/secrets",
    "SKERRY_LISTEN": "0.0.0.0:4000",
}


@dataclass(frozen=True)
class Settings:
    """The door's configuration.

    Args:
        jwks_url: where the API publishes the keys that sign tokens.
        ollama_url: base address of the model server, without a path.
        catalog: models/catalog.toml.
        master_key: LiteLLM refuses to start without one; it opens nothing.
        host: address to listen on.
        port: TCP port to listen on.
    """

    jwks_url: str
    ollama_url: str
    catalog: Path
    master_key: str
    host: str
    port: int


def read_settings(variables: Mapping[str, str] | None = None) -> Settings:
    """Read the variables named in DEFAULTS and the master key's file.

    Raises:
        PreconditionError: `llm.no_master_key`, `llm.setting` (an address to listen on that is none).
    """
    given = os.environ if variables is None else variables  # noqa: TID251  the one place of this environment
    values = {name: given.get(name) or default for name, default in DEFAULTS.items()}
    secret = Path(values["SKERRY_SECRETS_DIR"]) / MASTER_KEY
    if not secret.is_file() or not (master_key := secret.read_text().strip()):
        raise PreconditionError("llm.no_master_key", f"{secret} is missing or empty", "see appliance/secrets.toml")
    host, separator, port = values["SKERRY_LISTEN"].rpartition(":")
    if not separator or not port.isdecimal():
        raise PreconditionError("llm.setting", f"SKERRY_LISTEN is {values['SKERRY_LISTEN']!r}", "give address:port")
    return Settings(
        jwks_url=values["SKERRY_API_URL"].rstrip("/") + JWKS_PATH,
        ollama_url=values["SKERRY_OLLAMA_URL"].rstrip("/"),
        catalog=Path(values["SKERRY_MODEL_CATALOG"]),
        master_key=master_key,
        host=host,
        port=int(port),
    )
