"""The C inside the Go programs that ship: all of it is named, and an unnamed tree or a stale name ends the build."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skerry.base.errors import IntegrityError
from skerry.base.paths import default_cache, find_checkout
from skerry.images import foreign
from skerry.images.definition import load_catalogue

pytestmark = pytest.mark.integration

CATALOGUE = load_catalogue(find_checkout())
WITH_GO = [one.name for one in CATALOGUE.images if one.go]
NAMED = {
    "ollama": {
        *("ggml-org/llama.cpp", "ggml", "mozilla-ai/llamafile", "sqlite", "ml-explore/mlx-c"),
        *("libminiaudio-dev", "libstb-dev", "nlohmann-json3-dev"),
    },
    "opa": {"mpdecimal", "google/re2", "libc++"},
    "temporal": {"sqlite", "musl"},
}


@pytest.mark.parametrize("name", WITH_GO)
def test_what_ships_is_named_with_its_licence(name: str) -> None:
    found = foreign.carried_parts(CATALOGUE, CATALOGUE.get(name), default_cache())
    assert {part.name for part in found} == NAMED.get(name, set())
    assert all(part.licences for part in found)
    assert all(part.version for part in found if part.name not in {"mozilla-ai/llamafile", "google/re2"})


def test_a_tree_that_loses_its_name_ends_the_build() -> None:
    one = CATALOGUE.get("temporal")
    with pytest.raises(IntegrityError) as raised:
        foreign.carried_parts(CATALOGUE, replace(one, parts=one.parts[1:]), default_cache())
    assert raised.value.code == "sbom.unnamed_code"
    assert "modernc.org/sqlite/lib/" in raised.value.message


def test_a_name_that_loses_its_tree_ends_the_build() -> None:
    one = CATALOGUE.get("opa")
    with pytest.raises(IntegrityError) as raised:
        foreign.carried_parts(CATALOGUE, replace(one, own_code=(*one.own_code, "example.test/gone")), default_cache())
    assert raised.value.code == "sbom.stale_part"
