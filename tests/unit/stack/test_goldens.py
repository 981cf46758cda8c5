"""The committed renderings and schemas are those of the committed appliance."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from skerry.base.paths import find_checkout
from skerry.stack.goldens import example_plan, render_goldens
from skerry.stack.schema import render_schemas

CHECKOUT = find_checkout()
GOLDENS = render_goldens(CHECKOUT)


@pytest.mark.parametrize("path", sorted(GOLDENS))
def test_a_committed_rendering_is_what_is_rendered(path: str) -> None:
    committed = (CHECKOUT.root / path).read_text()
    assert committed == GOLDENS[path], (
        f"{path}: run `python -m skerry.stack.goldens`, look at the difference, commit it"
    )


def test_no_rendering_names_this_machine() -> None:
    for path, text in GOLDENS.items():
        assert str(CHECKOUT.root) not in text, path


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render_schemas()[f"{name}.schema.json"])
    Draft202012Validator.check_schema(found)
    return found


def test_the_schemas_accept_what_the_types_accept() -> None:
    service = Draft202012Validator(schema("service"))
    for path in sorted(CHECKOUT.services.glob("*.toml")):
        assert not list(service.iter_errors(tomllib.loads(path.read_text()))), path
    Draft202012Validator(schema("release")).validate(tomllib.loads(CHECKOUT.release.read_text()))
    Draft202012Validator(schema("secrets")).validate(tomllib.loads(CHECKOUT.secrets.read_text()))


@pytest.mark.parametrize(
    "change",
    [{"colour": 1}, {"kind": "daemon"}, {"limits": {"memory_mib": 1}}, {"ports": {"Main": 1}}, {"command": "x"}],
)
def test_the_service_schema_refuses_what_the_types_refuse(change: dict[str, Any]) -> None:
    table = tomllib.loads((CHECKOUT.services / "postgres.toml").read_text())
    assert list(Draft202012Validator(schema("service")).iter_errors({**table, **change}))


def test_every_uid_in_use_is_its_own() -> None:
    plan = example_plan(CHECKOUT)
    uids = [item.uid for item in plan.instances.values()]
    assert len(set(uids)) == len(uids)
