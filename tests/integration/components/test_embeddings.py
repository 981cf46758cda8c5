"""The embedding model as the product asks it, through LiteLLM, against the published weights in double precision."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from tests.integration.components.test_litellm import ask, token
from tests.integration.embeddings import MODEL, RECIPE, embed, exact_model, measure, sentences, vectors

from skerry.base.canonical import sha256_hex
from skerry.base.catalog import read_models
from skerry.base.paths import default_cache, find_checkout
from skerry.weights import build

if TYPE_CHECKING:
    from tests.integration.minilm import Reference
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

PAIRS = 200
BOUND = 0.002
USAGE_DEADLINE_S = 10.0


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Give the model in double precision."""
    return exact_model()


def test_converting_again_gives_the_catalogue_s_bytes() -> None:
    catalogued = next(model for model in read_models(find_checkout().catalog) if model.id == MODEL)
    assert sha256_hex(build.convert(RECIPE, find_checkout(), default_cache())) == catalogued.sha256


def test_the_reference_finds_meaning(reference: Reference) -> None:
    """It is right by itself: likeness of meaning shows, and the published example of the model's authors comes out."""
    like = sentences()[:20]
    near = [float(reference.embed(left) @ reference.embed(right)) for left, right in like]
    far = [float(reference.embed(like[at][0]) @ reference.embed(like[at - 5][1])) for at in range(len(like))]
    assert np.mean(near) > np.mean(far) + 0.3


def test_cosines_are_those_of_the_published_weights(stack: Stack, reference: Reference) -> None:
    found = measure(stack, reference)
    assert (len(found.pairs), len(found.texts)) == (PAIRS, PAIRS)
    assert found.differences.max() < BOUND, found.pairs[int(found.differences.argmax())]
    assert found.turned.max() < BOUND, found.texts[int(found.turned.argmax())]


def test_vectors_are_of_length_one_and_the_same_alone_and_together(stack: Stack) -> None:
    texts = [left for left, _ in sentences()[:8]]
    together = vectors(stack, texts)
    assert together.shape == (8, 384)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert vectors(stack, texts[:1])[0] @ together[0] == pytest.approx(1.0, abs=1e-5)


def test_a_long_text_is_cut_not_refused(stack: Stack, reference: Reference) -> None:
    text = " ".join(left for left, _ in sentences())
    assert len(reference.tokens(text)) == 256
    assert vectors(stack, [text])[0] @ reference.embed(text) > 1 - BOUND


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("status=500 for user|admin, retries<3 && wait>2s, cost ~$5 + `ls -l`", ""),
        ("Le caf\u00e9 de Z\u00fcrich est ferm\u00e9, d\u00e9sol\u00e9", ""),
        ("zero\u200bwidth, a\ttab, \u6f22\u5b57 and 5\u20ac \u2192 6\u20ac", ""),
        ("\u201cIt\u2019s down\u201d \u2014 they said\u2026", '"It\'s down" - they said...'),
    ],
)
def test_marks_and_accents_are_read_as_the_authors_read_them(
    stack: Stack, reference: Reference, text: str, read_as: str
) -> None:
    """Ollama's tokenizer alone takes `=` for a part of its word and keeps accents: the door makes texts plain."""
    exact = reference.embed(read_as or text)
    assert vectors(stack, [text])[0] @ exact > 1 - BOUND
    body = {"model": "skerry-embed", "input": [text]}
    url = f"http://{stack.address('litellm', 'ollama')}:11434/v1/embeddings"
    bare = stack.call_from("litellm", lambda: httpx.post(url, json=body, timeout=60, trust_env=False)).json()
    alone = np.asarray(bare["data"][0]["embedding"])
    assert alone @ exact < 1 - BOUND, "Ollama has learned it: the door need not do it any more"


def test_both_forms_of_the_api_give_the_same(stack: Stack) -> None:
    text = sentences()[0][0]
    plain = embed(stack, [text], encoding_format="float").json()["data"][0]["embedding"]
    coded = embed(stack, [text], encoding_format="base64")
    assert coded.status_code == 200, coded.text
    assert embed(stack, [text]).json()["usage"]["prompt_tokens"] > 0
    assert len(plain) == 384


def test_a_chat_model_and_the_embedding_model_stay_loaded_together(stack: Stack) -> None:
    chat = {"model": "skerry/smoke", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
    assert ask(stack, "POST", "/v1/chat/completions", token=token(stack), json=chat).status_code == 200
    vectors(stack, ["hello"])
    url = f"http://{stack.address('litellm', 'ollama')}:11434/api/ps"
    loaded = stack.call_from("litellm", lambda: httpx.get(url, timeout=10, trust_env=False)).json()["models"]
    assert {one["name"] for one in loaded} == {"skerry-smoke:latest", "skerry-embed:latest"}
    # Each in a process of its own, whose size the catalogue gives.
    held = {f"sha256-{model.sha256}": model for model in read_models(find_checkout().catalog)}
    sizes: dict[str, int] = {}
    for pid in stack.pids("ollama"):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        for blob in held.keys() & {word.rpartition("/")[2] for word in words}:
            sizes[held[blob].id] = int(stack.process_status(pid)["VmRSS"].split()[0]) // 1024
    assert sizes == {model.id: pytest.approx(model.memory_mib, rel=0.25) for model in held.values()}


def test_an_embedding_call_needs_a_token_and_leaves_a_line(stack: Stack) -> None:
    assert embed(stack, ["x"], claims={"aud": "temporal"}).status_code == 401
    planted = "planted-91bd-never-in-a-log"
    assert embed(stack, [planted], claims={"execution_id": "embeddings-line"}).status_code == 200
    end = time.monotonic() + USAGE_DEADLINE_S
    lines: list[dict[str, Any]] = []
    while not lines and time.monotonic() < end:
        found = [json.loads(line) for line in stack.logs("litellm").splitlines() if '"llm.usage"' in line]
        lines = [line for line in found if line["execution"] == "embeddings-line"]
        time.sleep(0.2)
    assert [(line["model"], line["outcome"]) for line in lines] == [(MODEL, "success")]
    assert lines[0]["input_tokens"] > 0
    assert planted not in stack.logs("litellm")
