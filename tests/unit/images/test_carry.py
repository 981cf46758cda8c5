"""Exported inputs: the same bytes twice, only what locks name, and nothing else is let in."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from tests.unit.images.checkouts import make_checkout

from skerry.base.errors import IntegrityError, InvalidInputError, NotFoundError
from skerry.images import carry, debian, golang
from skerry.images.debian import Lock, Package
from skerry.images.definition import load_catalogue
from skerry.images.inputs import Inputs
from skerry.images.store import Store

if TYPE_CHECKING:
    from pathlib import Path

DEB = b"a package"
DIGEST = hashlib.sha256(DEB).hexdigest()
WHEEL = b"a wheel"
WHEEL_DIGEST = hashlib.sha256(WHEEL).hexdigest()
ROOT = 'parent = "scratch"\ndebs = ["base"]\n'
PROGRAM = 'parent = "root"\n[[go]]\npackage = "example.org/X"\noutput = "x"\n'
SUMS = "example.org/Upper v1.0.0 h1:x=\nexample.org/Upper v1.0.0/go.mod h1:y=\nexample.org/unused v2.0.0/go.mod h1:z=\n"


def put(store: Store, data: bytes) -> None:
    with store.incoming() as folder:
        (folder / "x").write_bytes(data)
        store.put(folder / "x", hashlib.sha256(data).hexdigest())


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    checkout = make_checkout(tmp_path / "checkout", root=ROOT, program=PROGRAM)
    package = Package("base", "1", "amd64", "pool/main/base_1.deb", len(DEB), DIGEST, "2026-01-01")
    (checkout.images / "root/debs.lock").write_text(debian.render_lock(Lock("trixie", ("base",), (), (package,))))
    (checkout.images / "program/go.sum").write_text(SUMS)
    (checkout.images / "program/go.mod").touch()
    checkout.requirements.mkdir()
    for name in ("build", "control-plane", "litellm", "go"):
        (checkout.requirements / f"{name}.wheels").write_text(f"{WHEEL_DIGEST}  one-1.0-py3-none-any.whl\n")
    cache = tmp_path / "cache"
    for data in (DEB, WHEEL, b"no lock names this"):
        put(Store(cache), data)
    modules = cache / "gomod/cache/download/example.org/!upper/@v"
    modules.mkdir(parents=True)
    for name in ("v1.0.0.zip", "v1.0.0.mod", "v1.0.0.info", "v1.0.0.ziphash", "v1.0.0.lock", "list"):
        (modules / name).write_text(name)
    note_fetched(checkout.images / "program", cache)
    return Inputs(load_catalogue(checkout), cache)


def note_fetched(component: Path, cache: Path) -> None:
    """Note what a fetch of the component would: that it is compiled from one module."""
    marker = golang.fetched_marker(component, cache)
    marker.parent.mkdir(parents=True)
    marker.write_text("example.org/Upper v1.0.0\n")


def test_what_locks_name_is_carried(inputs: Inputs, tmp_path: Path) -> None:
    first, second = tmp_path / "one.tar", tmp_path / "two.tar"
    assert carry.export_inputs(inputs, first) == 5
    carry.export_inputs(inputs, second)
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as archive:
        module = "gomod/cache/download/example.org/!upper/@v/v1.0.0"
        blobs = sorted(f"store/sha256/{digest}" for digest in (DIGEST, WHEEL_DIGEST))
        assert archive.getnames() == [f"{module}.info", f"{module}.mod", f"{module}.zip", *blobs]
        assert {(one.mtime, one.uid, one.mode) for one in archive} == {(0, 0, 0o644)}


def test_an_empty_machine_has_all_of_it_afterwards(inputs: Inputs, tmp_path: Path) -> None:
    carry.export_inputs(inputs, tmp_path / "inputs.tar")
    fresh = tmp_path / "fresh"
    assert carry.import_inputs(fresh, tmp_path / "inputs.tar") == 5
    assert carry.import_inputs(fresh, tmp_path / "inputs.tar") == 0
    assert Store(fresh).want(DIGEST, "base").read_bytes() == DEB
    note_fetched(inputs.catalogue.get("program").folder, fresh)
    again = Inputs(inputs.catalogue, fresh)
    carry.export_inputs(again, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "inputs.tar").read_bytes()


def test_without_a_blob_there_is_no_export(inputs: Inputs, tmp_path: Path) -> None:
    Store(inputs.cache).path(DIGEST).unlink()
    with pytest.raises(NotFoundError) as raised:
        carry.export_inputs(inputs, tmp_path / "inputs.tar")
    assert raised.value.code == "images.not_fetched"
    assert [place.name for place in tmp_path.iterdir() if "inputs.tar" in place.name] == []


def test_without_the_archive_of_a_module_there_is_no_export(inputs: Inputs, tmp_path: Path) -> None:
    [archive] = (inputs.cache / "gomod").rglob("v1.0.0.zip")
    archive.unlink()
    with pytest.raises(NotFoundError) as raised:
        carry.export_inputs(inputs, tmp_path / "inputs.tar")
    assert raised.value.code == "golang.not_fetched"
    assert "v1.0.0.zip" in raised.value.message
    golang.fetched_marker(inputs.catalogue.get("program").folder, inputs.cache).unlink()
    with pytest.raises(NotFoundError) as raised:
        carry.export_inputs(inputs, tmp_path / "inputs.tar")
    assert raised.value.code == "golang.not_fetched"


def test_only_what_named_images_need_is_carried(inputs: Inputs, tmp_path: Path) -> None:
    assert carry.export_inputs(inputs, tmp_path / "inputs.tar", ["root"]) == 1
    with tarfile.open(tmp_path / "inputs.tar") as archive:
        assert archive.getnames() == [f"store/sha256/{DIGEST}"]


def test_what_replaced_a_lost_package_is_carried(inputs: Inputs, tmp_path: Path) -> None:
    root = inputs.catalogue.get("root")
    lock = debian.read_lock(debian.lock_file(root))
    newer = Package(**{**vars(lock.packages[0]), "version": "2", "sha256": WHEEL_DIGEST})
    replacement = inputs.cache / "unlocked" / "root" / f"{lock.digest}.lock"
    replacement.parent.mkdir(parents=True)
    replacement.write_text(debian.render_lock(Lock("trixie", ("base",), (), (newer,))))
    carry.export_inputs(inputs, tmp_path / "inputs.tar", ["root"])
    fresh = tmp_path / "fresh"
    assert carry.import_inputs(fresh, tmp_path / "inputs.tar") == 2
    assert debian.is_unlocked(root, fresh)
    assert debian.blobs(root, fresh) == [newer]


def pack(file: Path, name: str, data: bytes, **fields: object) -> None:
    with tarfile.open(file, "w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        for key, value in fields.items():
            setattr(entry, key, value)
        archive.addfile(entry, io.BytesIO(data))


@pytest.mark.parametrize(
    "name",
    [
        "../etc/passwd",
        "/etc/passwd",
        "store/sha256/short",
        f"store/sha256/../{DIGEST}",
        f"store/{DIGEST}",
        "gomod/cache/download/../../../x.zip",
        "gomod/cache/download/x.sh",
        "tools/go",
        f"unlocked/../{DIGEST}.lock",
        f"unlocked/root/deep/{DIGEST}.lock",
        "unlocked/root/short.lock",
    ],
)
def test_a_strange_name_is_refused(tmp_path: Path, name: str) -> None:
    pack(tmp_path / "bad.tar", name, DEB)
    with pytest.raises(InvalidInputError) as raised:
        carry.import_inputs(tmp_path / "cache", tmp_path / "bad.tar")
    assert raised.value.code == "images.inputs_entry"


def test_a_link_is_refused(tmp_path: Path) -> None:
    pack(tmp_path / "bad.tar", f"store/sha256/{DIGEST}", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    with pytest.raises(InvalidInputError) as raised:
        carry.import_inputs(tmp_path / "cache", tmp_path / "bad.tar")
    assert raised.value.code == "images.inputs_entry"


def test_other_bytes_are_refused(tmp_path: Path) -> None:
    pack(tmp_path / "bad.tar", f"store/sha256/{DIGEST}", b"other")
    with pytest.raises(IntegrityError) as raised:
        carry.import_inputs(tmp_path / "cache", tmp_path / "bad.tar")
    assert raised.value.code == "images.blob_differs"


def test_a_cut_file_is_said(inputs: Inputs, tmp_path: Path) -> None:
    file = tmp_path / "inputs.tar"
    carry.export_inputs(inputs, file)
    file.write_bytes(file.read_bytes()[:700])
    with pytest.raises(IntegrityError) as raised:
        carry.import_inputs(tmp_path / "cache", file)
    assert raised.value.code in {"images.inputs_file", "images.blob_differs"}


def test_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as raised:
        carry.import_inputs(tmp_path / "cache", tmp_path / "nothing.tar")
    assert raised.value.code == "images.no_inputs_file"
