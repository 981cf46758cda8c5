"""The models of this site as the API shows them, from models/catalog.toml (format: skerry.base.catalog), read at start.

Contract: the file may be missing: a site without models lists none and refuses agents that name one.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skerry.base.catalog import CHAT, read_models
from skerry.base.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

    from skerry.base.catalog import Model


@dataclass(frozen=True)
class Catalog:
    """The models of this site in the order of the file, and when the file was written."""

    models: tuple[Model, ...]
    written_at: dt.datetime

    @property
    def default(self) -> Model | None:
        """The chat model of agents that name none."""
        chat = [model for model in self.models if model.task == CHAT]
        return next((model for model in chat if model.default), chat[0] if chat else None)

    def find(self, model_id: str) -> Model | None:
        """Return the model of that id, None when the site has none."""
        return next((model for model in self.models if model.id == model_id), None)

    def resolve(self, model_id: str | None) -> str:
        """Return the id of the chat model that `model_id` names, of the default when it is None.

        Raises:
            InvalidInputError: `model.unknown`, `model.none`.
        """
        known = ", ".join(model.id for model in self.models if model.task == CHAT)
        if model_id is None:
            if self.default is None:
                raise InvalidInputError("model.none", "this site has no chat model", "add one to models/catalog.toml")
            return self.default.id
        found = self.find(model_id)
        if found is None or found.task != CHAT:
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
        written = path.stat().st_mtime
    except FileNotFoundError:
        return Catalog((), dt.datetime.fromtimestamp(0, dt.UTC))
    return Catalog(read_models(path), dt.datetime.fromtimestamp(int(written), dt.UTC))
