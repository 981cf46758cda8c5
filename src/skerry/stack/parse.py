"""Read TOML into frozen dataclasses, strictly: the types are the validator.

Contract: an unknown key, a missing key, a wrong type or a value outside its limits raises InvalidInputError with a
`stack.*` code and a message that names the file and the key (`appliance/services/api.toml: health.interval_s`).
Supported types: str, int, bool, Literal, tuple[T, ...], dict[str, T], T | None, dataclasses of these, and any of them
as Annotated[type, Rules(...)].
"""

from __future__ import annotations

import re
import tomllib
import types
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from skerry.base.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


@dataclass(frozen=True)
class Rules:
    """What a value must be beyond its type; in a list or a table, what each item must be (`keys`: each name)."""

    about: str = ""
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    keys: str | None = None
    not_empty: bool = False


def split_hint(hint: Any) -> tuple[Any, Rules]:
    """Return the plain type of `Annotated[type, Rules(...)]` and its rules; empty rules for a plain type."""
    if get_origin(hint) is Annotated:
        plain, *extras = get_args(hint)
        return plain, next((item for item in extras if isinstance(item, Rules)), Rules())
    return hint, Rules()


@dataclass(frozen=True)
class Place:
    """Where a value stands: the file as people know it, and the dotted key."""

    file: str
    key: str = ""

    def inside(self, name: str) -> Place:
        return Place(self.file, f"{self.key}.{name}" if self.key else name)

    def at(self, index: int) -> Place:
        return Place(self.file, f"{self.key}[{index}]")

    def __str__(self) -> str:
        return f"{self.file}: {self.key}" if self.key else self.file


def read_toml(path: Path, *, name: str) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Args:
        path: the file.
        name: what the file is called in messages (a path relative to the checkout).

    Raises:
        InvalidInputError: `stack.no_file`, `stack.not_toml`.
    """
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError as error:
        raise InvalidInputError("stack.no_file", f"{name} is missing", "restore it from the repository") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError("stack.not_toml", f"{name} is not TOML: {error}", "mend the line it names") from error


def parse(cls: type[T], value: Any, place: Place) -> T:
    """Return `value` (a table as tomllib gives it) as an instance of the dataclass `cls`.

    Raises:
        InvalidInputError: `stack.unknown_key`, `stack.missing_key`, `stack.wrong_type`, `stack.bad_value`.
    """
    if not isinstance(value, dict):
        raise _wrong_type(place, "a table", value)
    hints = get_type_hints(cls, include_extras=True)
    known = {item.name: item for item in fields(cast("Any", cls))}
    for key in value:
        if key not in known:
            raise InvalidInputError(
                "stack.unknown_key",
                f"{place.inside(key)} is not a known key",
                f"known here: {', '.join(sorted(known))}",
            )
    result: dict[str, Any] = {}
    for name, item in known.items():
        if name in value:
            result[name] = _convert(*split_hint(hints[name]), value[name], place.inside(name))
        elif item.default is MISSING and item.default_factory is MISSING:
            raise InvalidInputError(
                "stack.missing_key", f"{place.inside(name)} is missing", split_hint(hints[name])[1].about
            )
    return cls(**result)


def _convert(hint: Any, rules: Rules, value: Any, place: Place) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _convert(next(item for item in arguments if item is not types.NoneType), rules, value, place)
    if origin is Literal:
        if value not in arguments:
            raise _bad_value(place, value, f"one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong_type(place, "a list", value)
        return tuple(_convert(arguments[0], rules, item, place.at(index)) for index, item in enumerate(value))
    if origin is dict:
        return _convert_table(arguments[1], rules, value, place)
    if is_dataclass(hint):
        return parse(cast("type[Any]", hint), value, place)
    return _convert_plain(hint, rules, value, place)


def _convert_table(hint: Any, rules: Rules, value: Any, place: Place) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong_type(place, "a table", value)
    for key in value:
        if rules.keys is not None and not re.fullmatch(rules.keys, key):
            raise InvalidInputError("stack.bad_value", f"{place.inside(key)}: {key!r} is not a name here", rules.keys)
    return {key: _convert(hint, rules, item, place.inside(key)) for key, item in value.items()}


def _convert_plain(hint: Any, rules: Rules, value: Any, place: Place) -> Any:
    names = {str: "a string", int: "a whole number", bool: "true or false"}
    # bool is an int to Python, not to us.
    if type(value) is not hint:
        raise _wrong_type(place, names.get(hint, str(hint)), value)
    if isinstance(value, str):
        if rules.pattern is not None and not re.fullmatch(rules.pattern, value):
            raise _bad_value(place, value, f"text of the form {rules.pattern}")
        if rules.not_empty and not value.strip():
            raise _bad_value(place, value, "text")
    elif isinstance(value, int):
        if rules.minimum is not None and value < rules.minimum:
            raise _bad_value(place, value, f"at least {rules.minimum}")
        if rules.maximum is not None and value > rules.maximum:
            raise _bad_value(place, value, f"at most {rules.maximum}")
    return value


def _wrong_type(place: Place, wanted: str, value: Any) -> InvalidInputError:
    return InvalidInputError("stack.wrong_type", f"{place} is {value!r}, not {wanted}", f"write {wanted}")


def _bad_value(place: Place, value: Any, wanted: str) -> InvalidInputError:
    return InvalidInputError("stack.bad_value", f"{place} is {value!r}", f"write {wanted}")
