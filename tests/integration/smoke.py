"""The smoke model as an agent worker reaches it: behind LiteLLM, with a worker's token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.smoke.evaluate import Server, evaluate
from models.smoke.questions import questions

if TYPE_CHECKING:
    from models.smoke.questions import Report
    from models.smoke.tasks import Mix
    from tests.integration.stack import Stack


def ask_smoke(stack: Stack, count: int, seed: int, mix: Mix) -> Report:
    """Ask the served model `count` held-out questions from where the API stands."""
    token = stack.mint(
        {
            "aud": "litellm",
            "organization": "test",
            "organization_uuid": "0190c0de-0000-7000-8000-000000000001",
            "name": "test",
            "kind": "worker",
            "execution_id": "smoke-accuracy",
        }
    )
    server = Server(f"http://{stack.address('api', 'litellm')}:4000/v1", "skerry/smoke", token)
    return stack.call_from("api", lambda: evaluate(server, questions(count, seed, mix)))
