"""Programs compiled by the locked toolchain: the same bytes from any folder, and no network while compiling."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from skerry.base import process
from skerry.base.canonical import sha256_file
from skerry.base.errors import ProcessError
from skerry.base.paths import default_cache
from skerry.images import golang
from skerry.images.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces with mounts"),
]
IMAGE = """
parent = "base"
user = "opa"
source = "a test"

[[go]]
package = "skerry.invalid/hello"
output = "hello"
cgo = {cgo}
stamps = ["main.version=stamped"]
"""
PLAIN = """package main

import (
    "fmt"
    "runtime"
)

var version = "0"

func main() {
    _, file, _, _ := runtime.Caller(0)
    fmt.Println(version, file)
}
"""
LINKED = """package main

/*
#include "place.h"
static const char *place(void) { return PLACE __FILE__ " on " __DATE__ " at " __TIME__; }
*/
import "C"

import "fmt"

var version = "0"

func main() { fmt.Println(version, C.GoString(C.place())) }
"""


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """Give a cache with what the real one has fetched and unpacked; results and build caches are this test's own."""
    real = default_cache()
    Store(real).want(golang.locked_toolchain().wheel.digest, "the Go toolchain")
    golang.toolchain(real)
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in ("store", "tools", "roots", "unlocked"):
        (real / name).mkdir(exist_ok=True)
        (cache / name).symlink_to(real / name)
    golang.module_cache(cache).mkdir()
    yield cache
    shutil.rmtree(cache)


def make_component(folder: Path, source: str, *, cgo: bool) -> Path:
    (folder / "include").mkdir(parents=True)
    (folder / "image.toml").write_text(IMAGE.format(cgo=str(cgo).lower()))
    (folder / "go.mod").write_text("module skerry.invalid/hello\n\ngo 1.26.0\n")
    (folder / "go.sum").write_text("")
    (folder / "main.go").write_text(source)
    (folder / "include" / "place.h").write_text('#define PLACE "compiled in "\n')
    return folder


@pytest.mark.parametrize(("source", "cgo"), [(PLAIN, False), (LINKED, True)], ids=["go", "c"])
def test_two_folders_give_the_same_bytes(tmp_path: Path, cache: Path, source: str, *, cgo: bool) -> None:
    first = golang.build(make_component(tmp_path / "a" / "hello", source, cgo=cgo), cache) / "hello"
    digest = sha256_file(first)
    said = process.run([first]).stdout
    assert said.startswith("stamped ")
    assert str(tmp_path) not in said
    umask = os.umask(0o077)
    try:
        there = make_component(tmp_path / "somewhere" / "else" / "hello", source, cgo=cgo)
        os.utime(there / "main.go", (1, 1))
        second = golang.build(there, cache, fresh=True) / "hello"
    finally:
        os.umask(umask)
    assert second == first
    assert sha256_file(second) == digest
    assert second.stat().st_mode & 0o777 == 0o755


def test_a_module_that_was_not_fetched_ends_the_build_without_a_network(tmp_path: Path, cache: Path) -> None:
    component = make_component(
        tmp_path / "hello", PLAIN.replace('"fmt"', '"fmt"\n    _ "golang.org/x/sync/errgroup"'), cgo=False
    )
    (component / "go.mod").write_text("module skerry.invalid/hello\n\ngo 1.26.0\n\nrequire golang.org/x/sync v0.10.0\n")
    (component / "go.sum").write_text(
        "golang.org/x/sync v0.10.0 h1:3NQrjDixjgGwUOCaF8w2+VYHv0Ve/vGYSbdkTa98gmQ=\n"
        "golang.org/x/sync v0.10.0/go.mod h1:Czt+wKu1gCyEFDUtn0jG5QVvpJ6rzVqr5aXyt9drQfk=\n"
    )
    with pytest.raises(ProcessError) as caught:
        golang.build(component, cache)
    assert caught.value.code == "images.step_failed"
    assert "golang.org/x/sync" in caught.value.message
    assert sorted(place.name for place in (cache / "go").iterdir()) == ["hello.lock"]
