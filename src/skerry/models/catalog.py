"""The catalogue of models (models/catalog.toml), read once at start.

Contract: `[[model]]` entries with `id`, `task` ("chat", "embedding") and `context_tokens`; `label`, `provider`,
`description`, `capabilities` and `default = true` (one chat model; the first one when none says so) are for people.
Routing reads the same file (skerry.llm.routing). The file may be missing: a site without models lists none and
refuses agents that name one.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from skerry.base.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Model:
    """One model; `context_tokens` is input and output together."""

    id: str
    task: str
    context_tokens: int
    label: str
    provider: str
    description: str | None = None
    default: bool = False
    capabilities: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalog:
    """The models of this site in the order of the file, and when the file was written."""

    models: tuple[Model, ...]
    written_at: dt.datetime

    @property
    def default(self) -> Model | None:
        """The chat model of agents that name none."""
        chat = [model for model in self.models if model.task == "chat"]
        return next((model for model in chat if model.default), chat[0] if chat else None)

    def find(self, model_id: str) -> Model | None:
        """Return the model of that id, None when the site has none."""
        return next((model for model in self.models if model.id == model_id), None)

    def resolve(self, model_id: str | None) -> str:
        """Return the id of the chat model that `model_id` names, of the default when it is None.

        Raises:
            InvalidInputError: `model.unknown`, `model.none`.
        """
        known = ", ".join(model.id for model in self.models if model.task == "chat")
        if model_id is None:
            if self.default is None:
                raise InvalidInputError("model.none", "this site has no chat model", "add one to models/catalog.toml")
            return self.default.id
        found = self.find(model_id)
        if found is None or found.task != "chat":
            raise InvalidInputError(
                "model.unknown", f"this site has no chat model {model_id!r}", f"choose one of: {known or 'none'}"
            )
        return found.id


def read_catalog(path: Path) -> Catalog:
    """Read the catalogue; a missing file is an empty one.

    Raises:
        InvalidInputError: `model.catalog`.
    """
    try:
        text, written = path.read_text(), path.stat().st_mtime
    except FileNotFoundError:
        return Catalog((), dt.datetime.fromtimestamp(0, dt.UTC))
    try:
        entries = tomllib.loads(text).get("model", [])
        models = tuple(_model(entry) for entry in entries)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError("model.catalog", f"{path}: {error!r}", "see models/catalog.toml") from error
    return Catalog(models, dt.datetime.fromtimestamp(int(written), dt.UTC))


def _model(entry: Mapping[str, Any]) -> Model:
    return Model(
        id=str(entry["id"]),
        task=str(entry["task"]),
        context_tokens=int(entry["context_tokens"]),
        label=str(entry.get("label", entry["id"])),
        provider=str(entry.get("provider", str(entry["id"]).partition("/")[0])),
        description=entry.get("description"),
        default=bool(entry.get("default", False)),
        capabilities=dict(entry.get("capabilities", {})),
    )
