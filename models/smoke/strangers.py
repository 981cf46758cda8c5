"""Tools that the product does not have, made up anew each time: names, parameters, asks and results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.smoke import logs, phrases, values
from models.smoke.tasks import Mix, Step, Task
from models.smoke.values import chance

if TYPE_CHECKING:
    from random import Random


def _tool(random: Random) -> dict[str, Any]:
    name = f"{random.choice(('get', 'find', 'check', 'send', 'make', values.word(random)))}_{values.word(random)}"
    count = random.choices((0, 1, 2), (25, 50, 25))[0]
    properties: dict[str, Any] = {}
    while len(properties) < count:
        kind = "integer" if chance(random, 0.25) else "string"
        described = f"{values.word(random).capitalize()} of the {values.word(random)}."
        properties[random.choice((*values.KEYS, values.word(random)))] = {"type": kind, "description": described}
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if properties:
        parameters["required"] = sorted(properties)
    description = f"{values.word(random).capitalize()} the {values.word(random)} {values.word(random)}."
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def stranger(random: Random, mix: Mix) -> tuple[Task, list[dict[str, Any]]]:
    """Return a task for a made-up tool, and the made-up tools on offer (one to three, the right one among them)."""
    tools = [_tool(random) for _ in range(random.choices((1, 2, 3), (50, 30, 20))[0])]
    function = random.choice(tools)["function"]
    properties = function["parameters"]["properties"]
    arguments: dict[str, Any] = {
        name: random.randint(0, 9999) if each["type"] == "integer" else values.setting(random)
        for name, each in sorted(properties.items())
    }
    said = " and ".join(f"{name} {value}" for name, value in arguments.items())
    entries = phrases.TOOL_ASKS if arguments else phrases.BARE_TOOL_ASKS
    ask = phrases.phrase(random, entries, held_out=mix.held_out).format(tool=function["name"], arguments=said)
    result = "\n".join(logs.notes(random, random.choice((1, 1, 2))))
    answer = f"{function['name']} returned:\n{result}"
    return Task("unknown", ask, (Step(function["name"], arguments, result),), answer), tools
