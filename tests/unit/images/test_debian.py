"""Locks of Debian packages: their form, their age, what is fetched, and what happens when a package is lost."""

from __future__ import annotations

import io
from datetime import date
from typing import TYPE_CHECKING

import pytest
from tests.unit.images.checkouts import make_checkout
from tests.unit.images.repository import Archive

from skerry.base.errors import IntegrityError, InvalidInputError, NotFoundError
from skerry.base.progress import Progress
from skerry.images import debian
from skerry.images.debian import Lock, Package
from skerry.images.definition import Catalogue, load_catalogue
from skerry.images.store import Store

if TYPE_CHECKING:
    from pathlib import Path

ROOT = 'parent = "scratch"\ndebs = ["base"]\n'
LEAF = 'parent = "root"\ndebs = ["server"]\nleave_out = ["compiler"]\n'


class Bench:
    """A checkout of two images, an archive that real apt reads, and a cache."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.checkout = make_checkout(folder / "checkout", root=ROOT, leaf=LEAF)
        self.archive = Archive(folder / "archive")
        self.archive.add("base", "1.0")
        self.archive.add("library", "1.5", depends="base")
        self.archive.add("server", "2.0", depends="library, compiler")
        self.cache = folder / "cache"
        self.progress = Progress(io.StringIO())
        monkeypatch.setattr(debian, "private_apt", self.archive.apt)

    @property
    def catalogue(self) -> Catalogue:
        return load_catalogue(self.checkout)

    def lock(self, *names: str) -> list[str]:
        return debian.lock(self.catalogue, names, self.cache, progress=self.progress)

    def fetch(self, name: str) -> list[str]:
        return debian.fetch(self.catalogue, [name], self.cache, progress=self.progress)

    def empty_store(self) -> None:
        for blob in Store(self.cache).root.iterdir():
            blob.unlink()

    def lose(self, path: str) -> None:
        (self.archive.root / path).unlink()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def names_of(bench: Bench, name: str) -> list[tuple[str, str]]:
    return [(one.name, one.version) for one in debian.blobs(bench.catalogue.get(name), bench.cache)]


def test_a_child_locks_what_its_parent_lacks(bench: Bench) -> None:
    changes = bench.lock()
    assert changes == ["root: base absent -> 1.0", "leaf: library absent -> 1.5", "leaf: server absent -> 2.0"]
    assert names_of(bench, "root") == [("base", "1.0")]
    assert names_of(bench, "leaf") == [("library", "1.5"), ("server", "2.0")]


def test_a_lock_names_no_host_and_is_the_same_twice(bench: Bench) -> None:
    bench.lock()
    file = debian.lock_file(bench.catalogue.get("leaf"))
    text = file.read_text()
    assert str(bench.archive.root) not in text
    assert "://" not in text
    assert bench.lock() == []
    assert file.read_text() == text
    assert debian.render_lock(debian.read_lock(file)) == text


def test_a_locked_image_needs_no_network_once_fetched(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.lock()
    monkeypatch.setattr(debian, "private_apt", None)
    assert bench.fetch("leaf") == []


def test_packages_go_into_the_context_under_their_names(bench: Bench, tmp_path: Path) -> None:
    bench.lock()
    debian.collect(bench.catalogue.get("leaf"), bench.cache, tmp_path / "debs")
    assert sorted(file.name for file in (tmp_path / "debs").iterdir()) == [
        "library_1.5_amd64.deb",
        "server_2.0_amd64.deb",
    ]


def test_without_a_fetch_there_is_nothing_to_collect(bench: Bench, tmp_path: Path) -> None:
    bench.lock()
    bench.empty_store()
    with pytest.raises(NotFoundError) as raised:
        debian.collect(bench.catalogue.get("leaf"), bench.cache, tmp_path / "debs")
    assert raised.value.code == "images.not_fetched"


def test_what_is_fetched_equals_the_lock(bench: Bench) -> None:
    bench.lock()
    bench.empty_store()
    assert bench.fetch("leaf") == []
    store = Store(bench.cache)
    assert all(store.has(one.sha256) for one in debian.blobs(bench.catalogue.get("leaf"), bench.cache))
    assert not debian.is_unlocked(bench.catalogue.get("leaf"), bench.cache)


def test_a_lost_package_is_replaced_and_said(bench: Bench) -> None:
    bench.lock()
    before = debian.root_digest(bench.catalogue, "leaf", bench.cache)
    bench.empty_store()
    bench.archive.add("library", "1.6", depends="base, extra")
    bench.archive.add("extra", "1")
    bench.lose("pool/main/library_1.5_amd64.deb")
    assert bench.fetch("leaf") == ["leaf: extra absent -> 1", "leaf: library 1.5 -> 1.6"]
    leaf = bench.catalogue.get("leaf")
    assert debian.is_unlocked(leaf, bench.cache)
    assert names_of(bench, "leaf") == [("extra", "1"), ("library", "1.6"), ("server", "2.0")]
    assert debian.root_digest(bench.catalogue, "leaf", bench.cache) != before
    # The committed lock is as it was; the parent is as locked.
    assert "1.6" not in debian.lock_file(leaf).read_text()
    assert not debian.is_unlocked(bench.catalogue.get("root"), bench.cache)
    # Locking anew ends it.
    bench.lock()
    assert not debian.is_unlocked(leaf, bench.cache)


def test_a_mirror_that_lists_and_does_not_give_is_an_error(bench: Bench) -> None:
    bench.lock()
    bench.empty_store()
    bench.lose("pool/main/library_1.5_amd64.deb")
    with pytest.raises((NotFoundError, IntegrityError)) as raised:
        bench.fetch("leaf")
    assert raised.value.code == "images.deb_lost"
    assert "library_1.5_amd64.deb" in raised.value.message


def test_other_bytes_under_the_same_name_are_not_taken(bench: Bench) -> None:
    bench.lock()
    bench.empty_store()
    path = bench.archive.root / "pool/main/library_1.5_amd64.deb"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(NotFoundError) as raised:
        bench.fetch("leaf")
    assert raised.value.code == "images.deb_lost"
    assert not any(one.name.startswith("incoming") for one in Store(bench.cache).root.parent.iterdir())


def test_a_request_that_changed_needs_a_new_lock(bench: Bench) -> None:
    bench.lock()
    file = bench.checkout.images / "leaf" / "image.toml"
    file.write_text(file.read_text().replace('["server"]', '["server", "library"]'))
    with pytest.raises(InvalidInputError) as raised:
        debian.effective_lock(bench.catalogue.get("leaf"), bench.cache)
    assert raised.value.code == "images.lock_outdated"


def test_a_parent_that_grew_makes_the_childs_lock_outdated(bench: Bench) -> None:
    bench.lock()
    file = bench.checkout.images / "root" / "image.toml"
    file.write_text(file.read_text().replace('["base"]', '["base", "library"]'))
    bench.lock("root")
    with pytest.raises(InvalidInputError) as raised:
        debian.check_layers(bench.catalogue, bench.catalogue.order, bench.cache)
    assert raised.value.code == "images.lock_outdated"
    assert "library" in raised.value.message
    bench.lock("leaf")
    debian.check_layers(bench.catalogue, bench.catalogue.order, bench.cache)


def test_no_lock_is_said(bench: Bench) -> None:
    with pytest.raises(NotFoundError) as raised:
        bench.fetch("leaf")
    assert raised.value.code == "images.not_locked"


@pytest.mark.parametrize(
    "text",
    [
        "format = 2\n",
        "format = 1\n",
        'format = 1\nsuite = "x"\nasked = []\nleave_out = []\npackages = [{ name = "a" }]\n',
    ],
)
def test_a_lock_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "debs.lock").write_text(text)
    with pytest.raises(InvalidInputError) as raised:
        debian.read_lock(tmp_path / "debs.lock")
    assert raised.value.code == "images.lock"


def package(version: str, path: str, built: str) -> Package:
    return Package("p", version, "amd64", path, 1, "0" * 64, built)


@pytest.mark.parametrize(
    ("one", "refused"),
    [
        (package("1.0-1", "pool/main/p.deb", "2026-11-20"), True),
        (package("1.0-1", "pool/main/p.deb", "2026-11-16"), False),
        (package("1.0-1", "pool/updates/main/p.deb", "2026-11-22"), False),
        (package("1.0-1+deb13u2", "pool/main/p.deb", "2026-11-22"), False),
        (package("1.1-0~deb13u1", "pool/main/p.deb", "2026-11-22"), False),
        (package("1.1-1~bpo13+1", "pool/main/p.deb", "2026-11-22"), True),
    ],
)
def test_only_security_fixes_may_be_younger_than_a_week(one: Package, *, refused: bool) -> None:
    lock = Lock("trixie", (), (), (one,))
    if not refused:
        debian.check_age(lock, date(2026, 11, 23))
        return
    with pytest.raises(InvalidInputError) as raised:
        debian.check_age(lock, date(2026, 11, 23))
    assert raised.value.code == "images.too_young"


def test_a_young_package_is_not_locked(bench: Bench) -> None:
    bench.archive.add("library", "1.7", depends="base", built="4000000000")
    with pytest.raises(InvalidInputError) as raised:
        bench.lock()
    assert raised.value.code == "images.too_young"
    assert not debian.lock_file(bench.catalogue.get("leaf")).exists()
