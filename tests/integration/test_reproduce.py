"""Built again elsewhere, every image is the same: another folder, umask, time zone, file times and modes, no network.

All images but those of Go components, and one Go component by turns, a day each, compiled with an empty cache; `make
reproduce` does all of them.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from skerry.base import clock
from skerry.base.errors import IntegrityError
from skerry.base.paths import default_cache, find_checkout
from skerry.base.progress import Progress
from skerry.images import reproduce
from skerry.images.definition import load_catalogue
from skerry.images.inputs import Inputs
from skerry.images.reproduce import Comparison

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

INPUTS = Inputs(load_catalogue(find_checkout()), default_cache())
WITHOUT_GO = [one.name for one in INPUTS.catalogue.images if not one.go]
WITH_GO = sorted(one.name for one in INPUTS.catalogue.images if one.go)


def compare(names: list[str], work: Path) -> list[Comparison]:
    compared = reproduce.reproduce(INPUTS, names, work=work, times=1, progress=Progress(io.StringIO()))
    assert list(work.iterdir()) == []
    reproduce.want_same(compared)
    # Each was known before: a comparison with nothing proves nothing.
    assert all(len(one.digests) > 1 for one in compared)
    return compared


def test_images_without_go(tmp_path: Path) -> None:
    compared = compare(WITHOUT_GO, tmp_path)
    assert {one.what for one in compared} == {f"image {name}" for name in WITHOUT_GO}


def test_one_go_component_by_turns(tmp_path: Path) -> None:
    name = WITH_GO[clock.now().toordinal() % len(WITH_GO)]
    compared = {one.what for one in compare([name], tmp_path)}
    programs = {f"program {name}/{one.output}" for one in INPUTS.catalogue.get(name).go}
    assert programs | {f"image {name}"} <= compared


def test_a_difference_is_refused_by_name() -> None:
    compared = [
        Comparison("image one", {"this machine": "a", "build 1": "a"}),
        Comparison("image two", {"this machine": "a", "build 1": "b"}),
    ]
    with pytest.raises(IntegrityError) as raised:
        reproduce.want_same(compared)
    assert raised.value.code == "images.not_reproducible"
    assert "image two" in raised.value.message
    assert "image one" not in raised.value.message
