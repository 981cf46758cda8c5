"""Train the smoke model from nothing and write DIR/smoke.gguf and DIR/smoke.toml.

`PYTHONPATH=src:. python models/smoke/train.py --out DIR`

Stages go by steps, never by the clock, and every number comes from the seed, so that one machine makes the same
weights twice. Two host devices share each batch (one thread each: more threads wait for one another when the cores
are shared).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import pickle
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from models.smoke import data, forced, gguf, model
from models.smoke.initial import initial
from models.smoke.questions import QUESTIONS, questions
from models.smoke.shape import Shape
from models.smoke.tasks import Mix
from models.smoke.texts import texts_digest

from skerry.agent import prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from models.smoke.tokenizer import Tokenizer

SEED = 20261128
POOL = 192
"""Conversations sorted by length together, so that a batch wastes little on padding."""
DEVICES = 2
WARM = 30
"""Steps in which the learning rate rises from nothing."""


@dataclass(frozen=True)
class Stage:
    """A stretch of training: steps, tokens a step, mix (None: rows to copy), learning rate at start and end."""

    name: str
    steps: int
    batch: int
    mix: Mix | None
    rate: tuple[float, float]


STAGES = (
    Stage("copy", 40, 2048, None, (1.5e-3, 1.5e-3)),
    Stage("short", 2600, 2048, Mix(lines=(1, 4), short=0.3), (1.5e-3, 1.5e-3)),
    Stage("middle", 2200, 4096, Mix(lines=(2, 8), short=0.2), (1.5e-3, 1.2e-3)),
    Stage("long", 2000, 4096, Mix(lines=(2, 14), short=0.1, long=0.03), (1.2e-3, 1e-5)),
)
LENGTHS = (64, 128, 192, 256, 320, 384, 512, 640, 768, 1024, 1536, 2048)
"""Lengths that batches are padded to: each is compiled once."""

Batch = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]


def _padded(length: int) -> int:
    return next(padded for padded in LENGTHS if padded >= length)


def _batch(rows: list[tuple[list[int], list[float]]], length: int, pad: int) -> Batch:
    """Return tokens (rows, length + 1), and the flat positions to predict with their weights."""
    tokens = np.full((len(rows), length + 1), pad, np.int32)
    per_row = length // 2
    wanted = np.zeros((len(rows), per_row), np.int32)
    weights = np.zeros((len(rows), per_row), np.float32)
    for at, (numbers, counted) in enumerate(rows):
        tokens[at, : len(numbers)] = numbers
        places = [place for place, weight in enumerate(counted) if weight][:per_row]
        wanted[at, : len(places)] = [place - 1 for place in places]
        weights[at, : len(places)] = [counted[place] for place in places]
    return tokens, wanted, weights


def batches(random: Random, tokenizer: Tokenizer, stage: Stage) -> Iterator[Batch]:
    """Yield batches for ever."""
    pad = tokenizer.numbers["<|pad|>"]
    pool: list[tuple[list[int], list[float]]] = []
    while True:
        if stage.mix is None:
            length = 64
            rows = [data.copies(random, tokenizer, length + 1) for _ in range(stage.batch // length)]
            yield _batch(rows, length, pad)
            continue
        drawn = (data.encode(tokenizer, data.conversation(random, stage.mix)) for _ in range(POOL))
        pool += [row for row in drawn if len(row[0]) <= LENGTHS[-1]]
        pool.sort(key=lambda row: len(row[0]))
        made = []
        while pool:
            length = _padded(len(pool[-1][0]) - 1)
            count = max(DEVICES, stage.batch // length // DEVICES * DEVICES)
            if len(pool) < count:
                break  # the shortest wait for the next pool
            made.append(_batch(pool[-count:], length, pad))
            del pool[-count:]
        random.shuffle(made)
        yield from made


def loss(
    weights: model.Weights, batch: tuple[jax.Array, jax.Array, jax.Array], shape: Shape
) -> tuple[jax.Array, jax.Array]:
    """Return the mean loss over what the model writes, and the share of it that is right."""
    tokens, wanted, counted = batch
    states = model.hidden(weights, tokens[:, :-1], shape)
    states = jnp.take_along_axis(states, wanted[:, :, None], axis=1)
    targets = jnp.take_along_axis(tokens, wanted + 1, axis=1)
    scores = model.logits(weights, states)
    picked = jnp.take_along_axis(jax.nn.log_softmax(scores), targets[:, :, None], axis=-1)[:, :, 0]
    right = (jnp.argmax(scores, axis=-1) == targets) * counted
    return -jnp.sum(picked * counted) / jnp.sum(counted), jnp.sum(right) / jnp.sum(counted)


def _orthogonal(matrix: jax.Array) -> jax.Array:
    """Return the nearest half-orthogonal matrix, by five Newton-Schulz steps (Muon, Jordan et al. 2024)."""
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / (jnp.linalg.norm(wide) + 1e-7)
    for _ in range(5):
        gram = wide @ wide.T
        wide = 3.4445 * wide + (-4.7750 * gram + 2.0315 * gram @ gram) @ wide
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide


State = dict[str, Any]


def _is_matrix(name: str) -> bool:
    return name.startswith("blk.") and name.endswith(".weight") and "norm" not in name


def update(weights: model.Weights, slopes: model.Weights, state: State, rate: jax.Array) -> tuple[model.Weights, State]:
    """Return weights and state after one step: Muon for the blocks' matrices, Adam for the rest."""
    size = jnp.sqrt(sum(jnp.sum(slope * slope) for slope in slopes.values()))
    clip = jnp.minimum(1.0, 1.0 / (size + 1e-6))
    count = state["count"] + 1
    new: model.Weights = {}
    first: model.Weights = {}
    second: model.Weights = {}
    for name, weight in weights.items():
        slope = slopes[name] * clip
        if _is_matrix(name):
            first[name] = 0.95 * state["first"][name] + slope
            step = _orthogonal(slope + 0.95 * first[name]) * (0.2 * math.sqrt(max(weight.shape)))
            new[name] = weight * (1 - rate * 0.05) - rate * step
        else:
            first[name] = 0.9 * state["first"][name] + 0.1 * slope
            second[name] = 0.98 * state["second"][name] + 0.02 * slope * slope
            step = (first[name] / (1 - 0.9**count)) / (jnp.sqrt(second[name] / (1 - 0.98**count)) + 1e-9)
            new[name] = weight - rate * step
    return new, {"count": count, "first": first, "second": second}


def _fresh(weights: model.Weights) -> State:
    first = {name: jnp.zeros_like(weight) for name, weight in weights.items()}
    second = {name: jnp.zeros_like(weight) for name, weight in weights.items() if not _is_matrix(name)}
    return {"count": jnp.zeros((), jnp.float32), "first": first, "second": second}


def _stepper(shape: Shape) -> Callable[..., Any]:
    mesh = Mesh(np.array(jax.devices()), ("rows",))
    everywhere, rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("rows"))

    @partial(
        jax.jit,
        in_shardings=(everywhere, everywhere, rows, everywhere),
        out_shardings=everywhere,
        donate_argnums=(0, 1),
    )
    def step(weights: model.Weights, state: State, batch: Any, rate: jax.Array) -> Any:
        (value, right), slopes = jax.value_and_grad(loss, has_aux=True)(weights, batch, shape)
        weights, state = update(weights, slopes, state, rate)
        return weights, state, value, right

    stepped: Callable[..., Any] = step
    return stepped


def _start(seed: int, resume: Path | None) -> tuple[model.Weights, State, Tokenizer]:
    if resume:
        (weights, state), tokenizer = pickle.loads(resume.read_bytes())  # noqa: S301 - a file of this program's own
        return jax.tree.map(jnp.asarray, weights), jax.tree.map(jnp.asarray, state), tokenizer
    tokenizer = data.make_tokenizer(Random(seed))  # noqa: S311 - data, no secrets
    weights = initial(Shape(tokenizer.size), seed)
    return weights, _fresh(weights), tokenizer


def _rate(stage: Stage, done: int, warm: int) -> float:
    share = done / max(1, stage.steps - 1)
    rate = stage.rate[1] + (stage.rate[0] - stage.rate[1]) * (0.5 + 0.5 * math.cos(math.pi * share))
    return rate * min(1.0, (done + 1) / warm) if warm else rate


def run(out: Path, stages: tuple[Stage, ...], seed: int, resume: Path | None) -> tuple[model.Weights, Tokenizer, Shape]:
    """Train through the stages, with a checkpoint in `out` every 100 steps; `resume` goes on from one."""
    weights, state, tokenizer = _start(seed, resume)
    shape = Shape(tokenizer.size)
    step = _stepper(shape)
    begun = time.monotonic()
    parameters = sum(weight.size for weight in weights.values())
    print(f"parameters {parameters}, vocabulary {tokenizer.size}, devices {len(jax.devices())}", flush=True)
    for number, stage in enumerate(stages):
        source = batches(Random(seed + 1000 * (number + 1)), tokenizer, stage)  # noqa: S311 - data, no secrets
        seen: list[tuple[float, float]] = []
        for done in range(stage.steps):
            rate = _rate(stage, done, 0 if number or resume else WARM)
            weights, state, value, right = step(weights, state, next(source), jnp.float32(rate))
            seen.append((float(value), float(right)))
            last = done + 1 == stage.steps
            if (done + 1) % 20 == 0 or last:
                mean = np.mean(seen[-20:], axis=0)
                told = f"{stage.name} {done + 1}/{stage.steps} loss {mean[0]:.4f} right {mean[1]:.4f}"
                print(f"{told} {time.monotonic() - begun:.0f} s", flush=True)
            if (done + 1) % 100 == 0 or last:
                held = pickle.dumps((jax.tree.map(np.asarray, (weights, state)), tokenizer))
                (out / f"{stage.name}.checkpoint").write_bytes(held)
    return weights, tokenizer, shape


DECIDING = (
    *("chat", "data", "initial", "logs", "model", "phrases", "shape", "strangers", "tasks", "tokenizer", "train"),
    *("speech", "values"),
)
"""The modules here that decide the weights; the others ask, count, and write them down."""


def inputs_digest() -> str:
    """Return one SHA-256 over what decides the weights: the programs here and the product's texts."""
    sources = [*(Path(__file__).with_name(f"{name}.py") for name in DECIDING), Path(prompts.__file__)]
    lines = [f"{hashlib.sha256(source.read_bytes()).hexdigest()}  {source.name}\n" for source in sources]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write(out: Path, weights: model.Weights, tokenizer: Tokenizer, shape: Shape, how: dict[str, str]) -> None:
    """Write DIR/smoke.gguf and its record, DIR/smoke.toml (`how`: what else to record)."""
    tensors = {name: (weight.shape, np.asarray(weight).reshape(-1).tolist()) for name, weight in weights.items()}
    raw = gguf.smoke(tokenizer, shape, tensors)
    (out / "smoke.gguf").write_bytes(raw)
    record = {
        "file": "smoke.gguf",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "bytes": len(raw),
        "parameters": sum(math.prod(weight.shape) for weight in weights.values()),
        "inputs": inputs_digest(),
        "texts": texts_digest(),
        "jax": jax.__version__,
        **how,
    }
    head = "# The weights in this folder, and what they were made from (train.py writes this).\n"
    (out / "smoke.toml").write_text(head + "".join(f"{key} = {json.dumps(value)}\n" for key, value in record.items()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, smoke.gguf and smoke.toml")
    parser.add_argument(
        "--seed", type=int, default=SEED, help="where every random number comes from (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, help="stop each stage after this many steps (for tests)")
    parser.add_argument("--batch", type=int, help="tokens a step in every stage (for tests)")
    parser.add_argument("--compiled", type=Path, help="folder for compiled steps (default: compiled in --out)")
    parser.add_argument("--ask", type=int, default=300, help="held-out asks to report on (default: %(default)s)")
    parser.add_argument("--resume", type=Path, help="go on from this checkpoint with the stages named by --stages")
    parser.add_argument("--stages", default="", help="names of the stages to run, separated by commas (default: all)")
    return parser.parse_args()


def main() -> None:
    """Train as the command line says."""
    arguments = _arguments()
    jax.config.update("jax_num_cpu_devices", DEVICES)
    jax.config.update("jax_compilation_cache_dir", str(arguments.compiled or arguments.out / "compiled"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    stages = tuple(stage for stage in STAGES if not arguments.stages or stage.name in arguments.stages.split(","))
    if arguments.steps:
        stages = tuple(replace(stage, steps=min(stage.steps, arguments.steps)) for stage in stages)
    if arguments.batch:
        stages = tuple(replace(stage, batch=arguments.batch) for stage in stages)
    weights, tokenizer, shape = run(arguments.out, stages, arguments.seed, arguments.resume)
    told = ", ".join(f"{stage.name} {stage.steps} x {stage.batch} tokens" for stage in stages)
    how = {"seed": str(arguments.seed), "stages": told, "resumed": str(bool(arguments.resume)).lower()}
    write(arguments.out, weights, tokenizer, shape, how)
    if arguments.ask:
        asked = questions(arguments.ask, arguments.seed, QUESTIONS)
        print("\n".join(forced.measure(forced.rounded(weights), tokenizer, shape, asked).lines()))


if __name__ == "__main__":
    main()
