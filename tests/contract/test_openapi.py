"""The contract's routes that are served so far, held against the API's own description of itself.

routes.tsv and fields.tsv restate the facts of the wire contract for these routes: what unmodified clients send, and
what they find in an answer. Ours may take more and say more, never less: a field that clients may leave out is not
wanted, a type that they send is taken, and an answer has every field, of no other type than they know.
`worker_queue_id` is optional on purpose: the contract's own page asks for it, because clients leave it out.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from skerry.application import create_app
from skerry.kit.settings import load_settings

HERE = Path(__file__).parent
DOCUMENT: dict[str, Any] = create_app(load_settings({})).openapi()
JSON_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})


def read(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


ROUTES = read("routes.tsv")
FIELDS = read("fields.tsv")


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema, or the one it refers to."""
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def types_of(schema: dict[str, Any]) -> frozenset[str]:
    """Return the JSON types of the values a schema describes; one that says nothing describes all."""
    schema = resolved(schema)
    if "anyOf" in schema:
        return frozenset().union(*(types_of(one) for one in schema["anyOf"]))
    if "allOf" in schema:
        return JSON_TYPES.intersection(*(types_of(one) for one in schema["allOf"]))
    said = schema.get("type")
    return JSON_TYPES if said is None else frozenset([said] if isinstance(said, str) else said)


def fields_of(model: str) -> list[dict[str, str]]:
    found = [row for row in FIELDS if row["model"] == model]
    assert found, f"fields.tsv has no {model}"
    return found


def operation_of(route: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][route["path"]][route["method"].lower()]
    return found


def schema_of(content: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a body of one media type."""
    (media,) = content.values()
    return resolved(media["schema"])


def name_of(route: dict[str, str]) -> str:
    return f"{route['method']} {route['path']}"


def lacks_of_request(schema: dict[str, Any], model: str) -> list[str]:
    """Return what a client may send that a request's schema does not take."""
    wanted = {row["field"]: row for row in fields_of(model)}
    required = set(schema.get("required", []))
    lacks = [f"{name} must be sent" for name in sorted(required - wanted.keys())]
    for name, row in wanted.items():
        if name in required and row["required"] == "optional":
            lacks.append(f"{name} must be sent")
        taken = types_of(schema["properties"][name]) if name in schema["properties"] else frozenset()
        if missing := frozenset(row["type"].split("|")) - taken:
            lacks.append(f"{name} cannot be {', '.join(sorted(missing))}")
    return lacks


def lacks_of_answer(schema: dict[str, Any], model: str) -> list[str]:
    """Return what a client looks for that an answer's schema does not promise."""
    lacks = []
    for row in fields_of(model):
        if row["field"] not in schema["properties"]:
            lacks.append(f"{row['field']} is missing")
        elif more := types_of(schema["properties"][row["field"]]) - frozenset(row["type"].split("|")):
            lacks.append(f"{row['field']} may be {', '.join(sorted(more))}")
    return lacks


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_a_route_is_served_as_the_contract_says(route: dict[str, str]) -> None:
    operation = operation_of(route)
    assert [status for status in operation["responses"] if status.startswith("2")] == [route["status"]]
    queries = {item["name"]: item for item in operation.get("parameters", []) if item["in"] == "query"}
    assert set(filter(None, route["query"].split())) <= queries.keys()
    assert not [name for name, item in queries.items() if item["required"]]


@pytest.mark.parametrize("route", [row for row in ROUTES if row["body"]], ids=name_of)
def test_a_request_of_the_contract_is_taken(route: dict[str, str]) -> None:
    assert lacks_of_request(schema_of(operation_of(route)["requestBody"]["content"]), route["body"]) == []


@pytest.mark.parametrize("route", [row for row in ROUTES if row["response"]], ids=name_of)
def test_an_answer_has_what_clients_look_for(route: dict[str, str]) -> None:
    content = operation_of(route)["responses"][route["status"]]["content"]
    assert lacks_of_answer(schema_of(content), route["response"]) == []


def test_a_break_is_seen() -> None:
    request = {"properties": {"name": {"type": "string"}, "runtime": {"type": "string"}}, "required": ["name", "team"]}
    lacks = lacks_of_request(request, "AgentCreate")
    assert {"team must be sent", "runtime cannot be null", "model cannot be null, string"} <= set(lacks)
    answer = {"properties": {"execution_id": {"type": "string"}, "status": {"anyOf": [{"type": "string"}, {}]}}}
    lacks = lacks_of_answer(answer, "AgentExecutionResponse")
    assert "workflow_id is missing" in lacks
    assert any(lack.startswith("status may be ") for lack in lacks)
