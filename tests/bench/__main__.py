"""`make bench`: the figures this release is held to, with the machine they were measured on described.

Every figure is measured here and now, on the real images and a stack of its own that starts from nothing and is removed
again. A figure over its bound is marked, and the exit status is 1 then.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from models.smoke.questions import QUESTIONS, UNKNOWN
from tests.integration.changed import build_changed, changed_checkout
from tests.integration.embeddings import exact_model, measure, vectors
from tests.integration.smoke import ask_smoke
from tests.integration.stack import ROOT, Stack, running_stack, skerry

from skerry.base import clock
from skerry.base.paths import default_cache, find_checkout
from skerry.base.process import run
from skerry.base.progress import Progress
from skerry.images import recipe, sizes
from skerry.images.definition import load_catalogue
from skerry.images.inputs import Inputs
from skerry.images.steps import scratch

MB, MIB = 1_000_000, 1 << 20
SETTLE_S = 20.0
RUNS = 5
ASKS = 1000
COLD_DEADLINE_S = 7200.0
CALLS = 20


@dataclass(frozen=True)
class Figure:
    """One measured number, with the bound the release is held to (None: no bound)."""

    name: str
    value: float
    unit: str
    bound: float | None = None

    @property
    def held(self) -> bool:
        return self.bound is None or self.value <= self.bound


def describe_machine() -> list[str]:
    """Return what a reader needs to know of the machine."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return [
        f"processor  {cpu.group(1) if cpu else '?'}, {os.cpu_count()} cores",
        f"memory     {int(memory.group(1)) // 1024 if memory else 0} MiB",
        f"system     {release.get('PRETTY_NAME', '?').strip(chr(34))}, Linux {platform.release()}",
        f"podman     {run(['podman', '--version']).stdout.split()[-1]}",
    ]


def bench_images() -> list[Figure]:
    """Sizes by image and together, and the time of a build in which nothing has changed."""
    inputs = Inputs(load_catalogue(find_checkout()), default_cache())
    results = recipe.build(inputs, [], progress=Progress())
    measured = sizes.measure(results, default_cache() / "scratch")
    figures = [Figure(f"image {one.name}, compressed", one.compressed / MB, "MB") for one in measured]
    figures.append(Figure("images together, compressed", sizes.together(measured).compressed / MB, "MB", 900))
    start = clock.monotonic()
    skerry("images", "build", root=ROOT)
    figures.append(Figure("images build, nothing changed", clock.monotonic() - start, "s", 5))
    return figures


def bench_change() -> Figure:
    """One Python file changed: the image that holds it, built anew by its last layer."""
    with scratch("skerry-bench.") as folder, changed_checkout(folder, "src/skerry/agents/service.py") as changed:
        start = clock.monotonic()
        build_changed(changed, "control-plane")
        return Figure("images build, one Python file changed", clock.monotonic() - start, "s", 60)


def bench_memory(stack: Stack) -> list[Figure]:
    """Proportional set size by service, idle, after the stack has settled."""
    run(["sleep", str(SETTLE_S)])
    rows = stack.status()["services"]
    figures = [Figure(f"idle memory {row['name']}", row["memory"] / MIB, "MiB") for row in rows if row["memory"]]
    return [*figures, Figure("idle memory together", sum(row["memory"] for row in rows) / MIB, "MiB", 1536)]


def bench_start(stack: Stack) -> Figure:
    """From down to everything healthy, with images built and data there."""
    stack.command("stack", "down")
    start = clock.monotonic()
    make_up({"SKERRY_STATE": str(stack.state.root)})
    return Figure("make up with images built, to healthy", clock.monotonic() - start, "s", 60)


def bench_cold() -> Figure:
    """`make up` with nothing fetched, compiled or built: a cache, an image storage and a state of its own."""
    with scratch("cold.", parent=default_cache()) as folder:
        storage = folder / "storage.conf"
        graph, running = folder / "graph", folder / "run"
        storage.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{graph}"\nrunroot = "{running}"\n')
        variables = {
            "SKERRY_CACHE": str(folder / "cache"),
            "SKERRY_STATE": str(folder / "state"),
            "CONTAINERS_STORAGE_CONF": str(storage),
        }
        start = clock.monotonic()
        try:
            make_up(variables)
            return Figure("make up from nothing, to healthy", clock.monotonic() - start, "s", 1500)
        finally:
            clean = [sys.executable, "-m", "skerry.cli.main", "stack", "clean", "--yes"]
            run(clean, env={**variables, "PYTHONPATH": str(find_checkout().root / "src")}, check=False)
            run(["umount", "--recursive", "--quiet", graph / "overlay"], check=False)


def make_up(variables: dict[str, str]) -> None:
    """Run `make up`; what it says goes where our own progress goes."""
    sys.stderr.flush()
    words = ["make", "-C", str(find_checkout().root), "--no-print-directory", "up"]
    done = run(words, env=variables, check=False, deadline_s=COLD_DEADLINE_S, log=sys.stderr.buffer)
    if done.status != 0:
        sys.exit(f"make up ended with {done.status}")


def bench_demo(stack: Stack) -> list[Figure]:
    """The demo's own run, several times."""
    times = []
    for _ in range(RUNS):
        start = clock.monotonic()
        stack.command("demo")
        times.append(clock.monotonic() - start)
    return [
        Figure(f"demo, median of {RUNS}", median(times), "s", 30),
        Figure(f"demo, slowest of {RUNS}", max(times), "s", 30),
    ]


def bench_embeddings(stack: Stack) -> list[Figure]:
    """How far a served embedding is from the published weights in double precision, and how long one takes."""
    found = measure(stack, exact_model())
    times = []
    for text in found.texts[:CALLS]:
        start = clock.monotonic()
        vectors(stack, [text])
        times.append((clock.monotonic() - start) * 1000)
    return [
        Figure("embeddings: cosine against float64, largest of 200", found.differences.max() * 1e4, "e-4", 20),
        Figure("embeddings: cosine against float64, mean of 200", found.differences.mean() * 1e4, "e-4"),
        Figure(f"embeddings: one sentence, median of {CALLS}", median(times), "ms"),
    ]


def bench_smoke(stack: Stack) -> list[Figure]:
    """How often the smoke model is wrong on held-out asks, streamed and not, as the product asks."""
    known, unknown = ask_smoke(stack, ASKS, 7, QUESTIONS), ask_smoke(stack, ASKS // 10, 7, UNKNOWN)
    print("\n".join(known.lines()), flush=True)
    return [
        Figure(f"smoke model: calls wrong of {ASKS} asks", 100 * (1 - known.calls_right), "%", 2),
        Figure(f"smoke model: answers wrong of {ASKS} asks", 100 * (1 - known.answers_right), "%", 2),
        Figure("smoke model: wrong with tools of others", 100 * (1 - unknown.share(unknown.called)), "%"),
        Figure("smoke model: one reply, mean", 1000 * known.seconds / known.replies, "ms"),
    ]


def report(figures: list[Figure]) -> int:
    """Print the table and return the exit status."""
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        bound = "" if figure.bound is None else f"  (bound {figure.bound:g}){'' if figure.held else '  OVER'}"
        print(f"{figure.name:<{width}}  {figure.value:10.1f} {figure.unit:<3}{bound}")
    return 0 if all(figure.held for figure in figures) else 1


def main() -> int:
    """Measure, print, and say by the exit status whether every bound holds."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--cold", action="store_true", help="first time `make up` from nothing (half an hour)")
    arguments = parser.parse_args()
    print("\n".join(describe_machine()), flush=True)
    figures = [bench_cold()] if arguments.cold else []
    figures += [*bench_images(), bench_change()]
    start = clock.monotonic()
    with running_stack(organization="bench") as stack:
        figures.append(Figure("from nothing to an enrolled worker, images built", clock.monotonic() - start, "s"))
        figures += bench_demo(stack)
        figures.append(bench_start(stack))
        figures += bench_embeddings(stack)
        figures += bench_smoke(stack)
        figures += bench_memory(stack)
    if arguments.json:
        arguments.json.write_text(json.dumps([vars(figure) for figure in figures], indent=1))
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())
