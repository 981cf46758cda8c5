"""The inputs digest: everything that could change an image changes it, and nothing else does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.unit.images.checkouts import add_image, make_checkout

from skerry.base.errors import InvalidInputError
from skerry.base.paths import find_checkout
from skerry.images import debian
from skerry.images.context import make_context
from skerry.images.debian import Lock, Package
from skerry.images.definition import load_catalogue
from skerry.images.inputs import Inputs, labels, tree_entries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from skerry.base.paths import Checkout

ROOT = 'parent = "scratch"\ndebs = ["base"]\n'
LEAF = 'parent = "root"\ncopies = ["src/app", "LICENSE"]\n'
OTHER = 'parent = "root"\n'
PACKAGE = Package("base", "1", "amd64", "pool/main/base.deb", 1, "0" * 64, "2026-01-01")


def write_lock(checkout: Checkout, package: Package = PACKAGE) -> None:
    lock = Lock("trixie", ("base",), (), (package,))
    (checkout.images / "root" / "debs.lock").write_text(debian.render_lock(lock))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = make_checkout(tmp_path / "checkout", root=ROOT, leaf=LEAF, other=OTHER)
    write_lock(made)
    (made.root / "src/app/__pycache__").mkdir(parents=True)
    (made.root / "src/app/main.py").write_text("print()\n")
    (made.root / "src/app/__pycache__/main.cpython-313.pyc").write_text("compiled")
    (made.root / "LICENSE").write_text("MIT\n")
    (made.images / "leaf" / "files").mkdir()
    (made.images / "leaf" / "files" / "start").write_text("#!/bin/sh\n")
    return made


def digests(checkout: Checkout) -> dict[str, str]:
    inputs = Inputs(load_catalogue(checkout), checkout.root / "cache")
    return {name: inputs.digest(name) for name in ("root", "leaf", "other")}


def changed(checkout: Checkout, change: Callable[[], object]) -> set[str]:
    before = digests(checkout)
    change()
    after = digests(checkout)
    return {name for name in before if before[name] != after[name]}


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_same_tree_elsewhere_has_the_same_digests(checkout: Checkout, tmp_path: Path) -> None:
    before = digests(checkout)
    os.utime(checkout.root / "src/app/main.py", (1, 1))
    (checkout.root / "src/app/main.py").chmod(0o600)
    (checkout.root / "src/app/__pycache__/other.pyc").write_text("compiled too")
    (checkout.root / "README.md").write_text("not in any image\n")
    moved = checkout.root.rename(tmp_path / "elsewhere")
    assert digests(type(checkout)(moved)) == before


def test_a_file_of_ours_changes_one_image(checkout: Checkout) -> None:
    file = checkout.root / "src/app/main.py"
    assert changed(checkout, lambda: file.write_text("print(1)\n")) == {"leaf"}
    assert changed(checkout, lambda: file.chmod(0o755)) == {"leaf"}
    assert changed(checkout, lambda: file.rename(file.with_name("other.py"))) == {"leaf"}
    assert changed(checkout, lambda: (checkout.root / "LICENSE").write_text("ISC\n")) == {"leaf"}


def test_what_is_an_images_own_changes_it(checkout: Checkout) -> None:
    folder = checkout.images / "leaf"
    assert changed(checkout, lambda: replace(folder / "Containerfile", "FROM", "\nFROM")) == {"leaf"}
    assert changed(checkout, lambda: (folder / "files" / "start").write_text("#!/bin/bash\n")) == {"leaf"}
    assert changed(checkout, lambda: replace(folder / "image.toml", 'version = "1"', 'version = "2"')) == {"leaf"}
    assert changed(checkout, lambda: replace(folder / "image.toml", 'user = "root"', 'user = "one"')) == {"leaf"}


def test_what_is_shared_changes_all_that_stand_on_it(checkout: Checkout) -> None:
    everything = {"root", "leaf", "other"}
    newer = Package(**{**vars(PACKAGE), "version": "2", "sha256": "1" * 64})
    assert changed(checkout, lambda: write_lock(checkout, newer)) == everything
    assert changed(checkout, lambda: replace(checkout.release, "1793491200", "1793491201")) == everything
    assert changed(checkout, lambda: replace(checkout.images / "root/image.toml", "a test", "another")) == everything
    assert changed(checkout, lambda: replace(checkout.release, "2101", "2109")) == set()


def test_a_build_script_changes_those_that_call_it(checkout: Checkout) -> None:
    tools = checkout.images / "tools"
    (tools / "install").write_text("#!/bin/sh\nexec /context/tools/finish\n")
    (tools / "unrelated").write_text("#!/bin/sh\n")
    file = checkout.images / "leaf" / "Containerfile"
    file.write_text(f"{file.read_text()}RUN --mount=type=bind,target=/context /context/tools/install\n")
    assert changed(checkout, lambda: (tools / "finish").write_text("#!/bin/sh\ntrue\n")) == {"leaf"}
    assert changed(checkout, lambda: (tools / "install").write_text("#!/bin/sh\ntrue\n")) == {"leaf"}
    assert changed(checkout, lambda: (tools / "unrelated").write_text("#!/bin/sh\ntrue\n")) == set()


def test_a_comment_in_a_definition_is_no_input(checkout: Checkout) -> None:
    file = checkout.images / "leaf" / "image.toml"
    assert changed(checkout, lambda: file.write_text("# why\n" + file.read_text())) == set()


def test_the_reference_carries_name_and_digest(checkout: Checkout) -> None:
    inputs = Inputs(load_catalogue(checkout), checkout.root / "cache")
    assert inputs.reference("leaf") == f"localhost/skerry/leaf:{inputs.digest('leaf')[:16]}"


def test_labels_say_what_it_is(checkout: Checkout) -> None:
    found = labels(load_catalogue(checkout).get("leaf"))
    assert found["org.opencontainers.image.licenses"] == "MIT"
    assert found["org.skerry.image"] == "leaf"


def test_a_copy_that_is_not_there_is_refused(checkout: Checkout) -> None:
    add_image(checkout, "leaf", 'parent = "root"\ncopies = ["nowhere"]\n')
    with pytest.raises(InvalidInputError) as raised:
        digests(checkout)
    assert raised.value.code == "images.no_copy"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret"])
def test_a_link_out_of_the_tree_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(InvalidInputError) as raised:
        tree_entries(tmp_path)
    assert raised.value.code == "images.outward_link"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_context_has_modes_of_its_own(checkout: Checkout, tmp_path: Path, umask: int) -> None:
    (checkout.images / "leaf" / "files" / "start").chmod(0o700)
    (checkout.root / "src/app/main.py").chmod(0o640)
    (checkout.root / "src/app/link").symlink_to("main.py")
    file = checkout.images / "leaf" / "Containerfile"
    file.write_text(f"{file.read_text()}RUN /context/tools/finish\n")
    inputs = Inputs(load_catalogue(checkout), checkout.root / "cache")
    old = os.umask(umask)
    try:
        into = tmp_path / "context"
        into.mkdir()
        make_context(inputs, inputs.catalogue.get("leaf"), into)
    finally:
        os.umask(old)
    found = {
        str(place.relative_to(into)): f"{place.lstat().st_mode & 0o777:o}"
        for place in into.rglob("*")
        if not place.is_symlink()
    }
    assert found == {
        "Containerfile": "644",
        "LICENSE": "644",
        "files": "755",
        "files/start": "755",
        "src": "755",
        "src/app": "755",
        "src/app/main.py": "644",
        "tools": "755",
        "tools/finish": "644",
    }
    assert (into / "src/app/link").readlink().as_posix() == "main.py"


def test_the_product_s_own_digests_are_there() -> None:
    """Every image of the checkout can be named without building it; locks are complete."""
    checkout = find_checkout()
    inputs = Inputs(load_catalogue(checkout), checkout.root / "no-cache-is-needed")
    references = [inputs.reference(one.name) for one in inputs.catalogue.images]
    assert len(set(references)) == len(references)
    debian.check_layers(inputs.catalogue, inputs.catalogue.order, inputs.cache)
