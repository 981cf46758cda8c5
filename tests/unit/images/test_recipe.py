"""The recipe before it touches anything: what the machine lacks, which images it takes, what a release refuses."""

from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING

import pytest
from tests.unit.images.checkouts import make_checkout

from skerry.base.errors import IntegrityError, PreconditionError
from skerry.base.paths import find_checkout
from skerry.base.progress import Progress
from skerry.images import debian, digests, recipe, reproduce
from skerry.images.debian import Lock, Package
from skerry.images.definition import load_catalogue
from skerry.images.inputs import Inputs

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = Package("base", "1", "amd64", "pool/main/base.deb", 1, "0" * 64, "2026-01-01")
LOCK = Lock("trixie", ("base",), (), (PACKAGE,))
DIGEST = "a" * 64


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    checkout = make_checkout(
        tmp_path / "checkout",
        root='parent = "scratch"\ndebs = ["base"]\n',
        middle='parent = "root"\n',
        leaf='parent = "middle"\nthird_party = false\n',
        other='parent = "root"\n',
    )
    (checkout.images / "root" / "debs.lock").write_text(debian.render_lock(LOCK))
    return Inputs(load_catalogue(checkout), tmp_path / "cache")


def result(inputs: Inputs, name: str, *, unlocked: bool = False, **programs: str) -> recipe.Result:
    return recipe.Result(
        name=name,
        reference=inputs.reference(name),
        image_id=DIGEST,
        inputs=inputs.digest(name),
        sbom="",
        parts="",
        unlocked=unlocked,
        programs={f"{name}/{program}": digest for program, digest in programs.items()},
        seconds=1,
    )


def test_parents_come_first_and_others_not_at_all(inputs: Inputs) -> None:
    assert [one.name for one in recipe.with_parents(inputs, ["leaf"])] == ["root", "middle", "leaf"]
    assert [one.name for one in recipe.with_parents(inputs, [])] == ["root", "middle", "other", "leaf"]


def build(inputs: Inputs) -> None:
    recipe.build(inputs, ["leaf"], progress=Progress(io.StringIO()))


def test_only_root_builds(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PreconditionError) as raised:
        build(inputs)
    assert raised.value.code == "images.not_root"


@pytest.mark.parametrize("program", sorted(recipe.PROGRAMS))
def test_a_missing_program_is_named_before_anything_is_touched(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    there = tmp_path / "bin"
    there.mkdir()
    for name in recipe.PROGRAMS:
        if name != program:
            (there / name).symlink_to("/bin/true")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(there))
    with pytest.raises(PreconditionError) as raised:
        build(inputs)
    assert raised.value.code == "process.missing_program"
    assert program in raised.value.message
    assert recipe.PROGRAMS[program] in raised.value.hint
    assert not inputs.cache.exists()


def test_a_release_is_what_the_lock_says(inputs: Inputs) -> None:
    results = [result(inputs, "root"), result(inputs, "other", program="b" * 64), result(inputs, "leaf")]
    assert len(recipe.differing_from_lock(inputs, results)) == 3
    assert recipe.lock_digests(inputs, results)
    assert not recipe.lock_digests(inputs, results)
    recipe.want_locked(inputs, results)
    checkout = inputs.catalogue.checkout
    assert digests.read_table(checkout, "images") == {"other": DIGEST, "root": DIGEST}
    assert digests.read_table(checkout, "go") == {"other/program": "b" * 64}


@pytest.mark.parametrize("change", [{"image_id": "c" * 64}, {"programs": {"other/program": "c" * 64}}])
def test_other_bytes_than_locked_are_refused(inputs: Inputs, change: dict[str, object]) -> None:
    built = result(inputs, "other", program="b" * 64)
    recipe.lock_digests(inputs, [built])
    with pytest.raises(IntegrityError) as raised:
        recipe.want_locked(inputs, [recipe.Result(**{**vars(built), **change})])
    assert raised.value.code == "images.digest_differs"
    assert "other" in raised.value.message


def test_what_is_gone_leaves_the_lock(inputs: Inputs) -> None:
    digests.update_table(inputs.catalogue.checkout, "images", {"gone": DIGEST, "other": DIGEST})
    recipe.lock_digests(inputs, [result(inputs, "root")])
    assert digests.read_table(inputs.catalogue.checkout, "images") == {"other": DIGEST, "root": DIGEST}


def test_replacements_are_neither_released_nor_locked(inputs: Inputs) -> None:
    results = [result(inputs, "leaf", unlocked=True)]
    for refuse in (recipe.want_locked, recipe.lock_digests):
        with pytest.raises(IntegrityError) as raised:
            refuse(inputs, results)
        assert raised.value.code == "images.unlocked"
        assert "leaf" in raised.value.message


def replace_package(inputs: Inputs, name: str) -> None:
    """Leave what a fetch leaves when the locked package is lost and another version took its place."""
    replacement = inputs.cache / "unlocked" / name / f"{LOCK.digest}.lock"
    replacement.parent.mkdir(parents=True)
    newer = Package(**{**vars(PACKAGE), "version": "2", "sha256": "1" * 64})
    replacement.write_text(debian.render_lock(Lock("trixie", ("base",), (), (newer,))))


def test_a_replaced_package_marks_all_that_stand_on_it(inputs: Inputs) -> None:
    before = inputs.digest("leaf")
    assert not recipe.is_unlocked(inputs, "leaf")
    replace_package(inputs, "root")
    assert recipe.is_unlocked(inputs, "leaf")
    assert Inputs(inputs.catalogue, inputs.cache).digest("leaf") != before


def compared(inputs: Inputs, names: list[str]) -> list[str]:
    """Return the programs that a repetition is held to the lock for."""
    known = reproduce._known(inputs, names)  # noqa: SLF001  what is known before anything is compiled
    return sorted(what.removeprefix("program ") for what in known if what.startswith("program "))


def test_a_replaced_compiler_marks_what_links_c_and_nothing_else(tmp_path: Path) -> None:
    program = '[[go]]\npackage = "skerry.invalid/{0}"\noutput = "{0}"\n'
    checkout = make_checkout(
        tmp_path / "checkout",
        root='parent = "scratch"\n',
        buildroot='parent = "root"\ndebs = ["base"]\n',
        linked='parent = "root"\n' + program.format("linked") + "cgo = true\n" + program.format("beside"),
        plain='parent = "root"\n' + program.format("plain"),
        above='parent = "linked"\n',
    )
    (checkout.images / "buildroot" / "debs.lock").write_text(debian.render_lock(LOCK))
    for name in ("linked", "plain"):
        for file in ("go.mod", "go.sum"):
            (checkout.images / name / file).touch()
    digests.update_table(checkout, "go", dict.fromkeys(("linked/linked", "linked/beside", "plain/plain"), DIGEST))
    inputs = Inputs(load_catalogue(checkout), tmp_path / "cache")
    names = ["linked", "plain", "above"]
    assert [name for name in names if recipe.is_unlocked(inputs, name)] == []
    assert compared(inputs, names) == ["linked/beside", "linked/linked", "plain/plain"]
    replace_package(inputs, "buildroot")
    assert [name for name in names if recipe.is_unlocked(inputs, name)] == ["linked", "above"]
    assert recipe.unlocked_programs(inputs, inputs.catalogue.get("linked")) == {"linked/linked"}
    assert compared(inputs, names) == ["linked/beside", "plain/plain"]


def test_programs_are_what_the_tools_script_installs() -> None:
    """A machine that `make tools` prepared lacks nothing; apt, dpkg and util-linux are on every Debian."""
    script = re.split(r"[\s()]+", (find_checkout().root / "scripts" / "tools").read_text())
    asked = {package for package in recipe.PROGRAMS.values() if package not in {"apt", "dpkg", "util-linux"}}
    assert all(package in script for package in asked)
