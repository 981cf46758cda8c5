"""A program that was built is in the image, or the build ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.images.checkouts import make_checkout

from skerry.base.errors import IntegrityError
from skerry.images.definition import load_catalogue
from skerry.images.evidence import find_programs
from skerry.images.inputs import Inputs

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = 'parent = "root"\n[[go]]\npackage = "skerry.invalid/tool"\noutput = "tool"\n'


def test_a_program_that_is_not_in_the_image_is_named(tmp_path: Path) -> None:
    images = {"root": 'parent = "scratch"\n', "below": PROGRAM, "above": 'parent = "below"\n'}
    inputs = Inputs(load_catalogue(make_checkout(tmp_path / "checkout", **images)), tmp_path / "cache")
    place = tmp_path / "image" / "usr" / "bin" / "tool"
    place.parent.mkdir(parents=True)
    place.symlink_to("elsewhere")
    for name in ("below", "above"):
        one = inputs.catalogue.get(name)
        with pytest.raises(IntegrityError) as raised:
            list(find_programs(inputs, one, tmp_path / "image"))
        assert raised.value.code == "sbom.no_program"
        assert f"image {name} does not contain tool" in raised.value.message
        assert "images/below/Containerfile" in raised.value.hint
    place.unlink()
    place.write_text("a program\n")
    assert list(find_programs(inputs, inputs.catalogue.get("above"), tmp_path / "image")) == [place]
