"""Mirrors are read from any shape of apt's sources; resolving is real apt against an archive of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.host.programs import put_program
from tests.unit.images.repository import SUITE, Archive

from skerry.base.errors import InvalidInputError, NotFoundError, PreconditionError, ProcessError
from skerry.images import apt
from skerry.images.apt import Apt, Download, Mirrors, find_mirrors, private_apt

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = """# a comment
Types: deb
# another
URIs: http://one.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://one.example/debian-security
Suites: bookworm-security
Components: main contrib
"""
LIST = """
deb http://tools.example/apt bookworm main   # somebody else's, under the same suite name
deb [arch=amd64 signed-by=/x] http://two.example/debian bookworm main contrib
deb-src http://src.example/debian bookworm main
deb http://two.example/security/ bookworm-security main
"""


@pytest.fixture
def etc_apt(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "os-release").write_text('ID=debian\nVERSION_CODENAME="bookworm"\n')
    return tmp_path


def test_deb822_sources(etc_apt: Path) -> None:
    (etc_apt / "sources.list.d" / "debian.sources").write_text(SOURCES)
    found = find_mirrors(etc_apt, etc_apt / "os-release")
    assert found == Mirrors("http://one.example/debian", "http://one.example/debian-security")


def test_one_line_sources_and_a_stranger(etc_apt: Path) -> None:
    (etc_apt / "sources.list").write_text(LIST)
    found = find_mirrors(etc_apt, etc_apt / "os-release")
    assert found == Mirrors("http://two.example/debian", "http://two.example/security/")


def test_a_switched_off_source_does_not_count(etc_apt: Path) -> None:
    (etc_apt / "sources.list.d" / "debian.sources").write_text(
        SOURCES.replace("Types: deb\nURIs", "Enabled: no\nTypes: deb\nURIs")
    )
    with pytest.raises(PreconditionError) as raised:
        find_mirrors(etc_apt, etc_apt / "os-release")
    assert raised.value.code == "images.no_debian_mirror"


def test_no_mirror_is_a_precondition(etc_apt: Path) -> None:
    with pytest.raises(PreconditionError) as raised:
        find_mirrors(etc_apt, etc_apt / "os-release")
    assert raised.value.code == "images.no_debian_mirror"
    assert "bookworm-security" in raised.value.message


def test_the_security_archive_keeps_its_own_pool() -> None:
    mirrors = Mirrors("http://m.example/debian/", "http://m.example/debian-security")
    assert mirrors.address("pool/main/x.deb") == "http://m.example/debian/pool/main/x.deb"
    assert mirrors.address("pool/updates/main/x.deb") == "http://m.example/debian-security/pool/updates/main/x.deb"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "archive")
    made.add("server", "2.0", depends="library (>= 1), compiler (>= 1:5), perl:any")
    made.add("library", "1.5", depends="base")
    made.add("base", "1.0")
    made.add("compiler", "1:6", depends="huge")
    made.add("huge", "1")
    made.add("perl", "5", fields="Multi-Arch: allowed\n")
    return made


def test_what_the_parent_has_and_what_is_left_out_is_not_taken(archive: Archive) -> None:
    with archive.apt(SUITE, "amd64") as apt:
        everything = apt.resolve(["server"])
        parent = [one for one in everything if one["Package"] == "base"]
        some = apt.resolve(["server"], installed=parent, leave_out=["compiler", "perl"])
    assert [one["Package"] for one in everything] == ["base", "compiler", "huge", "library", "perl", "server"]
    assert [one["Package"] for one in some] == ["library", "server"]
    assert len(some[0]["SHA256"]) == 64


def test_all_of_it_there_already_is_an_empty_answer(archive: Archive) -> None:
    with archive.apt(SUITE, "amd64") as apt:
        assert apt.resolve(["base"], installed=apt.resolve(["base"])) == []


def test_a_newer_package_of_the_parent_is_refused(archive: Archive) -> None:
    with archive.apt(SUITE, "amd64") as apt:
        parent = apt.resolve(["library"])
    archive.add("library", "2.0")
    archive.add("server", "3.0", depends="library (>= 2)")
    with archive.apt(SUITE, "amd64") as apt, pytest.raises(InvalidInputError) as raised:
        apt.resolve(["server"], installed=parent)
    assert raised.value.code == "images.debs_upgrade_parent"


def test_an_unknown_package_is_apts_error(archive: Archive) -> None:
    with archive.apt(SUITE, "amd64") as apt, pytest.raises(ProcessError) as raised:
        apt.resolve(["nobody"])
    assert "nobody" in raised.value.message


def test_one_lost_file_does_not_keep_the_others(archive: Archive, tmp_path: Path) -> None:
    with archive.apt(SUITE, "amd64") as apt:
        there = Download(apt.mirrors.address("pool/main/base_1.0_amd64.deb"), tmp_path / "there")
        gone = Download(apt.mirrors.address("pool/main/base_0.9_amd64.deb"), tmp_path / "gone")
        apt.download([gone, there])
        apt.download([])
    assert (tmp_path / "there").is_file()
    assert not (tmp_path / "gone").exists()


def test_a_machine_without_debians_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "KEYRING", tmp_path / "none.gpg")
    with pytest.raises(PreconditionError) as raised, private_apt(SUITE, "amd64", mirrors=Mirrors("a", "b")):
        pass
    assert raised.value.code == "images.no_archive_keys"


def test_a_package_that_left_the_index_between_two_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_program(tmp_path, "apt-get", "echo 'Inst thing (1.0 archive:trixie [amd64])'")
    put_program(tmp_path, "apt-cache", "true")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    with pytest.raises(NotFoundError) as raised:
        Apt(tmp_path, Mirrors("a", "b")).resolve(["thing"])
    assert raised.value.code == "images.deb_unknown"
