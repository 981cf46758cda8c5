"""A machine without a network: what `make inputs` wrote is taken in by an empty cache, and images are built from it."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from skerry.base.paths import default_cache, find_checkout
from skerry.base.process import run
from skerry.base.progress import Progress
from skerry.images import carry, recipe
from skerry.images.definition import load_catalogue
from skerry.images.inputs import Inputs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration
INPUTS = Inputs(load_catalogue(find_checkout()), default_cache())
# A mount namespace, too, so that what is mounted in the test's own storage goes with it.
SEALED = ("unshare", "--net", "--mount", "--")
BUILT, LISTED = "valkey", "opa"


def test_an_image_is_built_from_imported_inputs_alone(tmp_path: Path) -> None:
    file, cache = tmp_path / "inputs.tar", tmp_path / "cache"
    recipe.fetch(INPUTS, [BUILT, LISTED], progress=Progress(io.StringIO()))
    carry.export_inputs(INPUTS, file, [BUILT, LISTED])
    graph, running, storage = tmp_path / "graph", tmp_path / "run", tmp_path / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{graph}"\nrunroot = "{running}"\n')
    # The root of all images takes half a minute and has its own test: here it is the one that is built already.
    base = INPUTS.reference("base")
    there = f"containers-storage:[overlay@{graph}+{running}]{base}"
    run([*SEALED, "skopeo", "copy", "--quiet", f"containers-storage:{base}", there])
    variables = {
        "SKERRY_CACHE": str(cache),
        "CONTAINERS_STORAGE_CONF": str(storage),
        "PYTHONPATH": str(find_checkout().root / "src"),
    }

    def skerry(*words: str) -> str:
        return run([*SEALED, sys.executable, "-m", "skerry.cli.main", "images", *words], env=variables).stdout

    skerry("inputs", "import", str(file))
    assert f"{INPUTS.reference(BUILT)} " in skerry("build", BUILT)
    # Compiling takes a minute; that every package of the program and of its modules is there is what could fail.
    skerry("fetch", LISTED)
    assert (cache / "gomod" / "github.com").is_dir()
