"""models/catalog.toml: the models of a site, read strictly. The one definition of the format; every reader is this one.

Contract: a `[[model]]` entry has the fields of Model and no others; what is missing, of another type or form, or named
twice is a refusal that says file, model and field. Weights stand beside the catalogue, or are made by a recipe of the
build (`skerry.weights`); in both cases their SHA-256 is here, and what has another digest is not loaded anywhere.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING, dataclass, field, fields
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from skerry.base.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CHAT: Final = "chat"
EMBEDDING: Final = "embedding"
NO_TOOLS: Final = "none"
HINT: Final = "see src/skerry/base/catalog.py for the fields, models/catalog.toml for an example"
_WORD: Final = r"[a-z0-9]+([._-][a-z0-9]+)*"
_PATH: Final = r"(?!.*(^|/)\.\.?(/|$))[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*"
_FORMS: Final = {
    "id": rf"{_WORD}/{_WORD}",
    "ollama_name": _WORD,
    "family": _WORD,
    "task": f"{CHAT}|{EMBEDDING}",
    "file": _PATH,
    "modelfile": _PATH,
    "sha256": r"[0-9a-f]{64}",
    "licence": r"[A-Za-z0-9.+() -]+",
    "recipe": rf"({_WORD})?",
    "label": r".*\S.*",
    "provider": _WORD,
    "description": r".*",
}
_COUNTS: Final = ("context_tokens", "memory_mib")


@dataclass(frozen=True)
class Model:
    """One model.

    Args:
        id: what agents and callers name: `provider/name`.
        ollama_name: what the model server calls it.
        family: which line of models its weights are of.
        task: `chat` or `embedding`.
        file: its weights, a path beside the catalogue; with a recipe, the path they get beside it.
        modelfile: Ollama's instructions; in the folder of `file`, which they name as `./<name>`.
        sha256: digest of the weights.
        licence: SPDX expression of the weights.
        context_tokens: longest input and output together.
        memory_mib: resident memory of the model server's process while it is loaded, measured.
        tool_calls: share of calls it gets right, measured, 0 to 1; None (`"none"` in the file) when it calls no tools.
        recipe: how the build makes the weights; empty when they are committed.
        label: its name for people; the id when it is not said.
        provider: whose it is; the id's first part when it is not said.
        description: a sentence for people.
        default: the chat model of agents that name none.
        capabilities: what else clients may want to know.
    """

    id: str
    ollama_name: str
    family: str
    task: str
    file: str
    modelfile: str
    sha256: str
    licence: str
    context_tokens: int
    memory_mib: int
    tool_calls: float | None
    recipe: str = ""
    label: str = ""
    provider: str = ""
    description: str | None = None
    default: bool = False
    capabilities: Mapping[str, Any] = field(default_factory=dict)


def read_models(path: Path) -> tuple[Model, ...]:
    """Return the models of a catalogue in the order of the file; at least one.

    Raises:
        InvalidInputError: `model.catalog`, naming the file and what is wrong in it.
    """
    try:
        tables = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _refused(path, f"is no catalogue of models: {error}") from error
    entries = tables.pop("model", None)
    if tables:
        raise _refused(path, f"unknown key {', '.join(sorted(tables))}")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise _refused(path, "names no model")
    models = tuple(_model(path, entry, number) for number, entry in enumerate(entries, start=1))
    for key in ("id", "ollama_name", "file"):
        values = [getattr(model, key) for model in models]
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise _refused(path, f"{key} {twice[0]!r} stands there twice")
    if sum(model.default for model in models) > 1:
        raise _refused(path, "two models say default = true")
    return models


def _model(path: Path, entry: Mapping[str, Any], number: int) -> Model:
    name = entry.get("id") if isinstance(entry.get("id"), str) else f"model {number}"
    known = {one.name: one for one in fields(Model)}
    if unknown := sorted(set(entry) - set(known)):
        raise _refused(path, f"{name}: unknown field {', '.join(unknown)}")
    needed = [key for key, one in known.items() if one.default is MISSING and one.default_factory is MISSING]
    if missing := [key for key in needed if key not in entry]:
        raise _refused(path, f"{name}: {', '.join(missing)} is missing")
    for key, value in entry.items():
        if not _is_good(key, value):
            raise _refused(path, f"{name}: {key} is {value!r}")
    values = dict(entry)
    values["tool_calls"] = None if values["tool_calls"] == NO_TOOLS else float(values["tool_calls"])
    values["label"] = values.get("label") or values["id"]
    values["provider"] = values.get("provider") or values["id"].partition("/")[0]
    model = Model(**values)
    if PurePosixPath(model.file).parent != PurePosixPath(model.modelfile).parent or model.file == model.modelfile:
        raise _refused(path, f"{name}: file and modelfile are not two files of one folder")
    if model.task != CHAT and (model.default or model.tool_calls is not None):
        raise _refused(path, f"{name}: only a chat model is a default or calls tools")
    return model


def _is_good(key: str, value: object) -> bool:
    if key in _FORMS:
        return isinstance(value, str) and re.fullmatch(_FORMS[key], value) is not None
    if key in _COUNTS:
        return type(value) is int and value > 0
    if key == "tool_calls":
        return value == NO_TOOLS or (type(value) in (int, float) and 0 <= float(str(value)) <= 1)
    if key == "default":
        return isinstance(value, bool)
    return isinstance(value, dict)


def _refused(path: Path, what: str) -> InvalidInputError:
    return InvalidInputError("model.catalog", f"{path}: {what}", HINT)
