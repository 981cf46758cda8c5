"""A program that was built is in its image."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from skerry.base.errors import IntegrityError
from skerry.images.evidence import find_programs

if TYPE_CHECKING:
    from pathlib import Path


def test_a_program_that_was_not_copied_is_named(tmp_path: Path) -> None:
    image: Any = SimpleNamespace(name="thing", go=[SimpleNamespace(output="thingd")])
    inputs = cast("Any", SimpleNamespace(catalogue=SimpleNamespace(lineage=lambda _: [image])))
    with pytest.raises(IntegrityError) as caught:
        list(find_programs(inputs, image, tmp_path))
    assert caught.value.code == "sbom.no_program"
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/thingd").write_bytes(b"program")
    assert list(find_programs(inputs, image, tmp_path)) == [tmp_path / "usr/bin/thingd"]
