"""JSON Schemas of the files in appliance/, generated from the types that read them.

Contract: pure. `python -m skerry.stack.goldens` writes them to appliance/schema/; a test says that the committed files
are these. Draft 2020-12.
"""

from __future__ import annotations

import json
import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from skerry.stack.definition import GIVEN, SECRET, Definition
from skerry.stack.parse import Rules, split_hint
from skerry.stack.release import Release
from skerry.stack.secrets import Secret

DRAFT = "https://json-schema.org/draft/2020-12/schema"
PLAIN = {str: "string", int: "integer", bool: "boolean"}


def render_schemas() -> dict[str, str]:
    """Return the text of every schema by its file name."""
    secrets = {
        "type": "object",
        "patternProperties": {f"^({SECRET})$": _table(Secret)},
        "additionalProperties": False,
    }
    return {
        "release.schema.json": _document("appliance/release.toml", _table(Release)),
        "secrets.schema.json": _document("appliance/secrets.toml", secrets),
        "service.schema.json": _document("appliance/services/<name>.toml", _table(Definition)),
    }


def _document(title: str, body: dict[str, Any]) -> str:
    return json.dumps({"$schema": DRAFT, "title": title, **body}, indent=2, ensure_ascii=False) + "\n"


def _table(cls: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for item in fields(cls):
        # A name that a file's path or a table's title gives is no key.
        if item.name in GIVEN and item.default == "":
            continue
        properties[item.name] = _value(*split_hint(hints[item.name]))
        if item.default is MISSING and item.default_factory is MISSING:
            required.append(item.name)
        elif isinstance(item.default, str | int | bool):
            properties[item.name]["default"] = item.default
    about = {"description": cls.__doc__.strip().splitlines()[0]} if cls.__doc__ else {}
    return {**about, "type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _value(hint: Any, rules: Rules) -> dict[str, Any]:
    about = {"description": rules.about} if rules.about else {}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _value(next(item for item in arguments if item is not types.NoneType), rules)
    if is_dataclass(hint):
        return {**_table(cast("type[Any]", hint)), **about}
    if origin is tuple:
        return {**about, "type": "array", "items": _value(arguments[0], _inner(rules))}
    if origin is dict:
        names = {"propertyNames": {"pattern": f"^({rules.keys})$"}} if rules.keys else {}
        return {**about, "type": "object", **names, "additionalProperties": _value(arguments[1], _inner(rules))}
    if origin is Literal:
        return {**about, "enum": list(arguments)}
    return {**about, "type": PLAIN[hint], **_limits(rules)}


def _inner(rules: Rules) -> Rules:
    return Rules("", rules.pattern, rules.minimum, rules.maximum, None, rules.not_empty)


def _limits(rules: Rules) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if rules.pattern is not None:
        found["pattern"] = f"^({rules.pattern})$"
    if rules.minimum is not None:
        found["minimum"] = rules.minimum
    if rules.maximum is not None:
        found["maximum"] = rules.maximum
    if rules.not_empty:
        found["minLength"] = 1
    return found
