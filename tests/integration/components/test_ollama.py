"""Ollama as it is configured: the catalogue's models, a folder it cannot change, no way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from skerry.base.catalog import read_models
from skerry.base.paths import find_checkout

if TYPE_CHECKING:
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration


def ask(stack: Stack, method: str, path: str, json: Any = None) -> httpx.Response:
    """Return Ollama's answer to a request from where LiteLLM stands."""
    url = f"http://{stack.address('litellm', 'ollama')}:11434{path}"
    return stack.call_from("litellm", lambda: httpx.request(method, url, json=json, timeout=60, trust_env=False))


def names(task: str = "") -> list[str]:
    """Return the names in Ollama of the catalogue's models, of those with a task when it is given."""
    return [model.ollama_name for model in read_models(find_checkout().catalog) if task in ("", model.task)]


def test_every_model_of_the_catalogue_is_there(stack: Stack) -> None:
    held = {model["name"].removesuffix(":latest") for model in ask(stack, "GET", "/api/tags").json()["models"]}
    assert held == set(names())


def test_a_model_answers(stack: Stack) -> None:
    question = {
        "model": names("chat")[0],
        "messages": [{"role": "user", "content": "Read app.log."}],
        "max_tokens": 16,
    }
    answer = ask(stack, "POST", "/v1/chat/completions", question)
    assert answer.status_code == 200
    assert answer.json()["usage"]["completion_tokens"] > 0


def test_models_are_not_deleted_or_made_through_it(stack: Stack) -> None:
    name = names()[0]
    ask(stack, "DELETE", "/api/delete", {"model": name})
    ask(stack, "POST", "/api/copy", {"source": name, "destination": "copy"})
    test_every_model_of_the_catalogue_is_there(stack)


def test_nothing_is_pulled(stack: Stack) -> None:
    answer = ask(stack, "POST", "/api/pull", {"model": "registry.example/x", "stream": False})
    assert answer.status_code >= 400


def test_the_folder_of_models_cannot_be_written(stack: Stack) -> None:
    done = stack.inside("ollama", "bash", "-c", "echo x > /models/x", check=False)
    assert done.status != 0
    assert "Read-only file system" in done.stderr


def test_pages_of_a_browser_are_refused(stack: Stack) -> None:
    url = f"http://{stack.address('litellm', 'ollama')}:11434/api/tags"
    answer = stack.call_from(
        "litellm", lambda: httpx.get(url, headers={"origin": "https://example.org"}, trust_env=False)
    )
    assert answer.status_code == 403
