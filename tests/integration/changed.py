"""A copy of the checkout in which one file is another, and what is built from it, removed again at the end."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from skerry.base.paths import Checkout, default_cache, find_checkout
from skerry.base.process import run
from skerry.images import engine, recipe
from skerry.images.definition import load_catalogue
from skerry.images.inputs import IGNORED_FOLDERS, Inputs
from skerry.images.reproduce import COPIED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def changed_checkout(folder: Path, file: str) -> Iterator[Inputs]:
    """Give the inputs of a copy in `folder` whose `file` has a line more."""
    copy = Checkout(folder / "changed")
    for name in COPIED:
        shutil.copytree(find_checkout().root / name, copy.root / name, ignore=shutil.ignore_patterns(*IGNORED_FOLDERS))
    with (copy.root / file).open("a") as stream:
        stream.write("# One line more.\n")
    inputs = Inputs(load_catalogue(copy), default_cache())
    try:
        yield inputs
    finally:
        _remove_built(inputs)


def build_changed(inputs: Inputs, name: str) -> None:
    """Build an image by the copy's own command."""
    root = inputs.catalogue.checkout.root
    run([sys.executable, "-m", "skerry.cli.main", "images", "build", name], env={"PYTHONPATH": str(root / "src")})


def _remove_built(inputs: Inputs) -> None:
    ours = Inputs(load_catalogue(find_checkout()), inputs.cache)
    for one in inputs.catalogue.images:
        if inputs.digest(one.name) != ours.digest(one.name):
            engine.remove_image(inputs.reference(one.name))
            for file in recipe.record_folder(inputs.cache, one.name).glob(f"{inputs.digest(one.name)}.*"):
                file.unlink()
