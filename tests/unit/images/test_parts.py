"""images.parts: what an image is made of, read from the image itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from skerry.base.errors import InvalidInputError, SkerryError
from skerry.images import parts

ROOT = Path(__file__).resolve().parents[3]
STATUS = """Package: libfoo1
Status: install ok installed
Version: 1.0-1
Architecture: amd64
Description: a
 long text

Package: gone
Status: deinstall ok config-files
Version: 2
Architecture: all

Package: foo
Status: install ok installed
Version: 2:1.0~rc1
Architecture: all
"""


def make_root(folder: Path) -> Path:
    (folder / "var/lib/dpkg").mkdir(parents=True)
    (folder / "var/lib/dpkg/status").write_text(STATUS)
    docs = folder / "usr/share/doc"
    (docs / "libfoo1").mkdir(parents=True)
    (docs / "libfoo1/copyright").write_text("see /usr/share/common-licenses/GPL-2")
    (docs / "foo").symlink_to("libfoo1")
    return folder


def test_installed_packages_are_listed_with_the_licence_of_a_linked_folder(tmp_path: Path) -> None:
    found = parts.deb_parts(make_root(tmp_path), distribution="debian-13", overrides={})
    assert [(part.name, part.version, part.licences) for part in found] == [
        ("libfoo1", "1.0-1", ("GPL-2.0-only",)),
        ("foo", "2:1.0~rc1", ("GPL-2.0-only",)),
    ]


def test_a_link_out_of_the_image_is_not_followed_to_the_host(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    outside = tmp_path / "host"
    outside.mkdir()
    (outside / "copyright").write_text("see /usr/share/common-licenses/GPL-2")
    (root / "usr/share/doc/foo").unlink()
    (root / "usr/share/doc/foo").symlink_to(outside)
    found = {part.name: part.licences for part in parts.deb_parts(root, distribution="debian-13", overrides={})}
    assert found["foo"] == ()


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("License-Expression: MIT OR Apache-2.0\n", ("MIT OR Apache-2.0",)),
        ("License: BSD-3-Clause\n", ("BSD-3-Clause",)),
        ("License: UNKNOWN licence text\nClassifier: License :: OSI Approved :: MIT License\n", ("MIT",)),
        ("Classifier: Programming Language :: Python\n", ()),
    ],
)
def test_wheels(tmp_path: Path, metadata: str, expected: tuple[str, ...]) -> None:
    folder = tmp_path / "opt/x/lib/python3.13/site-packages/thing-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: thing\nVersion: 1.0\n{metadata}\n")
    [part] = parts.wheel_parts(tmp_path, overrides={})
    assert part.licences == expected


def test_a_reviewed_licence_wins(tmp_path: Path) -> None:
    file = tmp_path / "licences.toml"
    file.write_text('[deb.foo]\nlicences = ["MIT"]\nread = "its source"\n')
    found = parts.deb_parts(
        make_root(tmp_path / "root"), distribution="debian-13", overrides=parts.read_overrides(file)
    )
    assert {part.name: part.licences for part in found}["foo"] == ("MIT",)


def test_an_override_that_names_no_source_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "licences.toml"
    file.write_text('[deb.foo]\nlicences = ["MIT"]\n')
    with pytest.raises(InvalidInputError) as raised:
        parts.read_overrides(file)
    assert raised.value.code == "sbom.override"


def test_the_committed_overrides_are_whole() -> None:
    assert parts.read_overrides(ROOT / "images/licences.toml")


def test_build_information_is_read_with_replacements() -> None:
    said = """/x/bin: go1.26.0
	path	example.test/cmd
	mod	example.test	(devel)
	dep	example.test/one	v1.0.0	h1:abc=
	dep	example.test/two	v1.0.0
	=>	example.test/fork	v2.0.0	h1:def=
"""
    assert list(parts._modules(said)) == [("example.test/one", "v1.0.0"), ("example.test/fork", "v2.0.0")]  # noqa: SLF001


def test_escaped_module_names() -> None:
    assert parts.escape_module("github.com/BurntSushi/toml") == "github.com/!burnt!sushi/toml"


@pytest.mark.skipif(shutil.which("go") is None, reason="no go program on PATH to read build information with")
def test_a_binary_not_built_by_go_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bin").write_bytes(Path("/bin/true").read_bytes())
    with pytest.raises(SkerryError) as raised:
        parts.go_parts([tmp_path / "bin"], go=Path("go"), modcache=tmp_path, overrides={})
    assert raised.value.code in {"sbom.no_build_info", "process.failed"}
