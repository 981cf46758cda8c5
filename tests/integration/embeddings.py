"""Ask for embeddings as the product does, and hold them to the published weights: for tests and for the bench."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
from tests.integration.minilm import Reference, load_reference

from skerry.base.paths import default_cache, find_checkout
from skerry.weights import build

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tests.integration.stack import Stack

    Array = NDArray[np.float64]

MODEL = "skerry/embed"
UNRELATED_STEP = 7
BATCH = 50
RECIPE = build.RECIPES["minilm"]
CLAIMS = {
    "aud": "litellm",
    "organization": "test",
    "organization_uuid": "0190c0de-0000-7000-8000-000000000001",
    "name": "test",
    "kind": "worker",
}


@dataclass(frozen=True)
class Measured:
    """Differences of 200 cosines, and of each text's vector (1 - cosine with the exact one)."""

    pairs: list[tuple[str, str]]
    differences: Array
    texts: list[str]
    turned: Array


def exact_model() -> Reference:
    """Return the model in double precision."""
    return load_reference(build.published(RECIPE, find_checkout(), default_cache()))


def sentences() -> list[tuple[str, str]]:
    """Return pairs of sentences of like meaning."""
    text = (find_checkout().root / "tests/vectors/embeddings/sentences.tsv").read_text()
    return [(left, right) for left, _, right in (line.partition("\t") for line in text.splitlines())]


def pairs() -> list[tuple[str, str]]:
    """Return the pairs of like meaning, and as many that have nothing to do with each other."""
    like = sentences()
    return like + [(left, like[(at + UNRELATED_STEP) % len(like)][1]) for at, (left, _) in enumerate(like)]


def embed(stack: Stack, texts: list[str], *, claims: dict[str, Any] | None = None, **fields: Any) -> httpx.Response:
    """Return LiteLLM's answer to one call, asked from where the API stands."""
    url = f"http://{stack.address('api', 'litellm')}:4000/v1/embeddings"
    headers = {"authorization": f"Bearer {stack.mint({**CLAIMS, **(claims or {})})}"}
    body = {"model": MODEL, "input": texts, **fields}
    return stack.call_from("api", lambda: httpx.post(url, headers=headers, json=body, timeout=60, trust_env=False))


def vectors(stack: Stack, texts: list[str]) -> Array:
    """Return a row a text."""
    found: list[list[float]] = []
    for start in range(0, len(texts), BATCH):
        answer = embed(stack, texts[start : start + BATCH])
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        assert [one["index"] for one in data] == list(range(len(data)))
        found += [one["embedding"] for one in data]
    return np.asarray(found)


def measure(stack: Stack, reference: Reference) -> Measured:
    """Compare what is served with the published weights, on every pair."""
    wanted = pairs()
    texts = sorted({text for pair in wanted for text in pair})
    served = dict(zip(texts, vectors(stack, texts), strict=True))
    exact = {text: reference.embed(text) for text in texts}
    differences = [abs(served[left] @ served[right] - exact[left] @ exact[right]) for left, right in wanted]
    turned = [1 - served[text] @ exact[text] for text in texts]
    return Measured(wanted, np.asarray(differences), texts, np.asarray(turned))
