"""The conformance set on the real Ollama: the smoke model behind it, and models that are broken in ways that happen."""

from __future__ import annotations

import json
import re
import sys
from array import array
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from models.smoke import gguf
from models.smoke.shape import Shape
from models.smoke.tokenizer import END, PAD, START, Tokenizer
from tests.integration.ollama import Ollama, running_ollama

from skerry.base.paths import find_checkout
from skerry.base.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

SMOKE = find_checkout().models / "smoke"
CONTEXT_TOKENS = 2048
RUN_DEADLINE_S = 600.0
PLAIN_TEMPLATE = """{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""
SEED = 11


@dataclass(frozen=True)
class Outcome:
    """How the command ended: its exit status, its table and its report."""

    status: int
    text: str
    report: dict[str, Any]

    @property
    def failed(self) -> dict[str, str]:
        """Cases that count and were not passed, with their reasons."""
        return {
            case["id"]: case["reason"] for case in self.report["cases"] if case["counts"] and case["outcome"] != "pass"
        }

    @property
    def failed_protocol(self) -> dict[str, str]:
        """Those of them that are the server's fault."""
        protocol = {case["id"] for case in self.report["cases"] if case["kind"] == "protocol"}
        return {one: reason for one, reason in self.failed.items() if one in protocol}

    def level(self, name: str) -> bool:
        """Whether the model is admitted at a level."""
        return next(bool(level["admitted"]) for level in self.report["levels"] if level["level"] == name)


@pytest.fixture(scope="module")
def ollama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ollama]:
    folder = tmp_path_factory.mktemp("ollama")
    folder.parent.chmod(0o755)  # the server is another user
    folder.chmod(0o755)
    with running_ollama(folder) as running:
        yield running


def modelfile() -> str:
    return (SMOKE / "Modelfile").read_text().replace("FROM ./smoke.gguf", "FROM ./weights.gguf")


def with_template(template: str) -> str:
    text, count = re.subn(r'TEMPLATE """.*?"""', lambda _: f'TEMPLATE """{template}"""', modelfile(), flags=re.DOTALL)
    assert count == 1
    return text


def weights() -> bytes:
    return (SMOKE / "smoke.gguf").read_bytes()


def random_weights() -> bytes:
    """Return a whole GGUF file of a small model that has learnt nothing."""
    random = Random(SEED)  # noqa: S311  weights, no secrets
    tokenizer = Tokenizer((("t", "h"),), (START, END, PAD), (), 288)
    shape = Shape(tokenizer.size, layers=2, width=64, heads=2, hidden=64, context=CONTEXT_TOKENS)

    def matrix(rows: int, columns: int) -> gguf.Tensor:
        return (rows, columns), array("f", (random.gauss(0, 1 / columns**0.5) for _ in range(rows * columns)))

    width, ones = shape.width, ((shape.width,), [1.0] * shape.width)
    tensors: dict[str, gguf.Tensor] = {"token_embd.weight": matrix(shape.vocabulary, width)}
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        tensors |= {f"{block}.attn_norm.weight": ones, f"{block}.ffn_norm.weight": ones}
        for part in ("q", "k", "v"):
            tensors[f"{block}.attn_{part}.weight"] = matrix(width, width)
            tensors[f"{block}.attn_{part}.bias"] = ((width,), [0.0] * width)
        tensors[f"{block}.attn_output.weight"] = matrix(width, width)
        tensors[f"{block}.ffn_gate.weight"] = matrix(shape.hidden, width)
        tensors[f"{block}.ffn_up.weight"] = matrix(shape.hidden, width)
        tensors[f"{block}.ffn_down.weight"] = matrix(width, shape.hidden)
    tensors |= {"output_norm.weight": ones, "output.weight": matrix(shape.vocabulary, width)}
    return gguf.smoke(tokenizer, shape, tensors)


def conformance(ollama: Ollama, model: str, tmp_path: Path) -> Outcome:
    """Run the product's command."""
    path = tmp_path / "report.json"
    words = ["models", "conformance", f"--base-url={ollama.url}/v1", f"--model={model}", f"--json={path}"]
    environment = {"PYTHONPATH": str(find_checkout().root / "src")}
    command = [
        sys.executable,
        "-m",
        "skerry.cli.main",
        *words,
        f"--context-tokens={CONTEXT_TOKENS}",
        "--max-tokens=128",
    ]
    done = run(command, env=environment, check=False, deadline_s=RUN_DEADLINE_S)
    assert path.is_file(), done.stderr
    return Outcome(done.status, done.stdout, json.loads(path.read_text()))


def test_the_smoke_model_passes_every_protocol_case(ollama: Ollama, tmp_path: Path) -> None:
    ollama.create("smoke", weights(), modelfile())
    outcome = conformance(ollama, "smoke", tmp_path)
    assert outcome.failed_protocol == {}, outcome.text
    assert outcome.status == (0 if outcome.level("tools") else 1)


def test_random_weights_are_refused(ollama: Ollama, tmp_path: Path) -> None:
    ollama.create("random", random_weights(), modelfile())
    outcome = conformance(ollama, "random", tmp_path)
    assert outcome.status == 1
    assert not outcome.level("chat")
    assert "chat.ends" in outcome.failed
    assert "weights look untrained or damaged" in outcome.report["causes"][0], outcome.text
    assert outcome.failed_protocol == {}, outcome.text


def test_a_template_without_tools_is_refused(ollama: Ollama, tmp_path: Path) -> None:
    ollama.create("no-tools", weights(), with_template(PLAIN_TEMPLATE))
    outcome = conformance(ollama, "no-tools", tmp_path)
    assert outcome.status == 1
    assert not outcome.level("tools")
    assert "does not support tools" in outcome.failed["tools.accepted"]
    assert any("its chat template has no part for them" in cause for cause in outcome.report["causes"]), outcome.text


def test_a_template_with_other_marks_is_refused(ollama: Ollama, tmp_path: Path) -> None:
    ollama.create("other-marks", weights(), modelfile().replace("tool_call>", "call>"))
    outcome = conformance(ollama, "other-marks", tmp_path)
    assert outcome.status == 1
    assert not outcome.level("tools")
    assert '"<tool_call>"' in outcome.failed["tools.parsed"]
    assert any("does not recognise this model's calls" in cause for cause in outcome.report["causes"]), outcome.text


def test_half_a_file_is_refused(ollama: Ollama, tmp_path: Path) -> None:
    whole = weights()
    made = ollama.create("half", whole[: len(whole) // 2], modelfile(), check=False)
    assert made.status != 0
    outcome = conformance(ollama, "half", tmp_path)
    assert outcome.status == 1
    assert "status 404" in outcome.failed["reach.answers"]
    assert "has no such model" in outcome.report["causes"][0], outcome.text


def test_a_file_cut_off_later_is_refused(ollama: Ollama, tmp_path: Path) -> None:
    whole = weights().replace(b"skerry-smoke", b"skerry-other", 1)
    ollama.create("cut", whole, modelfile())
    (blob,) = [path for path in (ollama.models / "blobs").iterdir() if path.read_bytes() == whole]
    blob.write_bytes(whole[: len(whole) // 2])
    outcome = conformance(ollama, "cut", tmp_path)
    assert outcome.status == 1
    assert re.search(r"status 5\d\d", outcome.failed["reach.answers"])
    assert "does not load or run" in outcome.report["causes"][0], outcome.text
