"""Settings: one frozen object, parsed once from SKERRY_* variables and secret files, and passed in.

Contract: non-secrets come from the environment; secrets are files in one folder (SKERRY_SECRETS_DIR), one secret a
file named like the secret. A process reads what its definition hands it and nothing else, so a missing secret is an
error only where it is asked for. No secret appears in `repr`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skerry.base.errors import PreconditionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_SECRETS_DIR = Path("/run/secrets")
SECRET_LIMIT_BYTES = 64 * 1024
PORT_LIMIT = 65535


@dataclass(frozen=True)
class Secrets:
    """Secrets by name, read once. The values never reach `repr`."""

    values: Mapping[str, bytes] = field(repr=False)
    folder: Path = DEFAULT_SECRETS_DIR

    def text(self, name: str) -> str:
        """Return a secret as text without the line end a file may carry.

        Raises:
            PreconditionError: `settings.no_secret`.
        """
        return self.bytes(name).decode().rstrip("\r\n")

    def bytes(self, name: str) -> bytes:
        """Return a secret's bytes exactly as its file holds them.

        Raises:
            PreconditionError: `settings.no_secret`.
        """
        try:
            return self.values[name]
        except KeyError:
            raise PreconditionError(
                "settings.no_secret",
                f"the secret {name!r} is not in {self.folder}",
                "add it to the service's [[secrets]] in appliance/services",
            ) from None

    def has(self, name: str) -> bool:
        """Return whether this process was handed the secret."""
        return name in self.values


@dataclass(frozen=True)
class Place:
    """Where a service listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Settings:
    """What a process of the control plane is told, checked."""

    secrets: Secrets
    listen: Place = Place("0.0.0.0", 8000)  # noqa: S104  the container's own network; only the edge publishes
    site_name: str = "localhost"
    database: Place = Place("postgres", 5432)
    database_name: str = "skerry"
    valkey: Place = Place("valkey", 6379)
    valkey_user: str = "api"
    temporal: Place = Place("temporal", 7233)
    opa_url: str = "http://opa:8181"
    s3: Place = Place("minio", 9000)
    s3_bucket: str = "skerry"
    llm_url: str = "http://litellm:4000"
    model_catalog: Path = Path("/etc/skerry/models.toml")
    log_level: str = "INFO"
    pool_size: int = 10
    issuer: str = "skerry"
    version: str = "development"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Parse settings from `environment` (the process's own when None) and the secrets folder it names.

    Raises:
        PreconditionError: `settings.invalid` (does not parse), `settings.unknown` (a SKERRY_ name nobody reads).
    """
    variables = dict(os.environ if environment is None else environment)  # noqa: TID251  the one place
    given = {name: value for name, value in variables.items() if name.startswith("SKERRY_")}
    secrets = read_secrets(Path(given.pop("SKERRY_SECRETS_DIR", str(DEFAULT_SECRETS_DIR))))
    fields: dict[str, Any] = {}
    for name, (key, parse) in PARSERS.items():
        text = given.pop(name, None)
        if text is None:
            continue
        try:
            fields[key] = parse(text)
        except ValueError as error:
            raise PreconditionError(
                "settings.invalid", f"{name}={text!r}: {error}", f"mend {name} in the service definition"
            ) from error
    unknown = sorted(set(given) - FOREIGN)
    if unknown:
        raise PreconditionError(
            "settings.unknown", f"nobody reads {', '.join(unknown)}", "mend the name in the service definition"
        )
    return Settings(secrets=secrets, **fields)


def read_secrets(folder: Path) -> Secrets:
    """Read every regular file of `folder` (links are followed: container engines use them); no folder means no secrets.

    Raises:
        PreconditionError: `settings.secret_unreadable`, `settings.secret_size` (over SECRET_LIMIT_BYTES).
    """
    values: dict[str, bytes] = {}
    if not folder.is_dir():
        return Secrets(values, folder)
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        try:
            data = path.read_bytes()
        except PermissionError as error:
            raise PreconditionError(
                "settings.secret_unreadable", f"{path} cannot be read", "the secret's owner must be the service's uid"
            ) from error
        if len(data) > SECRET_LIMIT_BYTES:
            raise PreconditionError(
                "settings.secret_size", f"{path} has {len(data)} bytes", f"a secret has at most {SECRET_LIMIT_BYTES}"
            )
        values[path.name] = data
    return Secrets(values, folder)


def place_parser(default_port: int) -> Callable[[str], Place]:
    """Return a parser of `host` or `host:port`; it raises ValueError for anything else."""

    def parse(text: str) -> Place:
        host, colon, port = text.partition(":")
        if not colon:
            port = str(default_port)
        if not (host and port.isascii() and port.isdigit() and 0 < int(port) <= PORT_LIMIT):
            raise ValueError("wanted host or host:port")
        return Place(host, int(port))

    return parse


def parse_url(text: str) -> str:
    """Return an http or https URL without its last slash; ValueError when it is something else."""
    if not text.startswith(("http://", "https://")):
        raise ValueError("wanted an http or https URL")
    return text.rstrip("/")


def parse_level(text: str) -> str:
    """Return a logging level's name; ValueError when there is none of that name."""
    level = text.upper()
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("wanted DEBUG, INFO, WARNING or ERROR")
    return level


PARSERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "SKERRY_LISTEN": ("listen", place_parser(8000)),
    "SKERRY_SITE_NAME": ("site_name", str),
    "SKERRY_DATABASE_HOST": ("database", place_parser(5432)),
    "SKERRY_DATABASE_NAME": ("database_name", str),
    "SKERRY_VALKEY_HOST": ("valkey", place_parser(6379)),
    "SKERRY_VALKEY_USER": ("valkey_user", str),
    "SKERRY_TEMPORAL_ADDRESS": ("temporal", place_parser(7233)),
    "SKERRY_OPA_URL": ("opa_url", parse_url),
    "SKERRY_S3_ENDPOINT": ("s3", place_parser(9000)),
    "SKERRY_S3_BUCKET": ("s3_bucket", str),
    "SKERRY_LLM_URL": ("llm_url", parse_url),
    "SKERRY_MODEL_CATALOG": ("model_catalog", Path),
    "SKERRY_LOG_LEVEL": ("log_level", parse_level),
    "SKERRY_POOL_SIZE": ("pool_size", int),
    "SKERRY_ISSUER": ("issuer", str),
    "SKERRY_VERSION": ("version", str),
}
"""Variable -> (field of Settings, its parser). A new setting is a field and a line here."""

FOREIGN = {"SKERRY_CACHE", "SKERRY_API_URL", "SKERRY_WORKER_QUEUE"}
"""SKERRY_ names that other processes of the same image read (base.paths, agent)."""
