"""Wheels by digest: real files, real pip, no index."""

from __future__ import annotations

import base64
import hashlib
import re
import stat
import zipfile
from typing import TYPE_CHECKING

import pytest

from skerry.base.canonical import sha256_file
from skerry.base.errors import IntegrityError, InvalidInputError, NotFoundError, PreconditionError, ProcessError
from skerry.base.paths import find_checkout
from skerry.images import pylock, wheels
from skerry.images.store import Store
from skerry.images.wheels import Wheel

if TYPE_CHECKING:
    from pathlib import Path

REQUIREMENTS = find_checkout().requirements
LOCKS = [lock for lock in pylock.LOCKS if lock.image]
DIGEST = "0" * 64


def make_wheel(folder: Path, name: str, version: str = "1.0", *, tag: str = "py3-none-any", script: str = "") -> Wheel:
    """Write a real wheel and return what a lock says of it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if script:
        files[f"{name}-{version}.data/scripts/{script}"] = f"#!/bin/sh\necho {version}\n"
    rows = [f"{path},sha256={_record_hash(text)},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    with zipfile.ZipFile(file, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return Wheel(file.name, sha256_file(file))


def _record_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point pip, through its own configuration, to a folder and nothing else."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_lock(folder: Path, *held: Wheel) -> Path:
    lock = folder / "thing.txt"
    lock.write_text("".join(f"{one.project}=={one.version} \\\n    --hash=sha256:{one.digest}\n" for one in held))
    wheels.write_wheels(lock, held)
    return lock


@pytest.mark.parametrize(
    ("file", "project", "version"),
    [
        ("typing_extensions-4.16.0-py3-none-any.whl", "typing-extensions", "4.16.0"),
        ("PyYAML-6.0.3-cp313-cp313-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "pyyaml", "6.0.3"),
        ("thing-1.0-2build-py3-none-any.whl", "thing", "1.0"),
        ("ruamel.yaml-0.1.post1-py2.py3-none-any.whl", "ruamel-yaml", "0.1.post1"),
        ("thing-1.0+local_1-cp311-abi3-linux_x86_64.whl", "thing", "1.0+local-1"),
    ],
)
def test_a_file_name_says_project_and_version(file: str, project: str, version: str) -> None:
    wheel = Wheel(file, DIGEST)
    assert (wheel.project, wheel.version) == (project, version)
    assert wheel.requirement == f"{project}=={version} --hash=sha256:{DIGEST}"


@pytest.mark.parametrize(
    "file", ["thing-1.0.tar.gz", "thing.whl", "../thing-1.0-py3-none-any.whl", "a-1-b-c-d-e-f.whl"]
)
def test_what_is_no_wheel_is_refused(file: str) -> None:
    with pytest.raises(InvalidInputError):
        _ = Wheel(file, DIGEST).project


def test_a_list_comes_back_as_it_was_written(tmp_path: Path) -> None:
    held = [make_wheel(tmp_path, name) for name in ("zebra", "apple", "mule")]
    lock = write_lock(tmp_path, *held)
    assert wheels.read_wheels(lock) == tuple(sorted(held))
    text = wheels.lock_of(lock).read_text()
    assert [line.split("  ")[1].split("-")[0] for line in text.splitlines()] == ["apple", "mule", "zebra"]


@pytest.mark.parametrize(
    "text",
    [
        "nonsense\n",
        f"{DIGEST} one-space-1.0-py3-none-any.whl\n",
        f"{DIGEST.upper()[:-1]}G  thing-1.0-py3-none-any.whl\n",
        f"{DIGEST}  thing-1.0-py3-none-any.whl\n\n",
        f"{DIGEST}  thing-1.0-py3-none-any.whl\n{DIGEST}  Thing-2.0-py3-none-any.whl\n",
        f"{DIGEST}  thing-1.0.tar.gz\n",
    ],
)
def test_a_list_in_another_form_is_refused(tmp_path: Path, text: str) -> None:
    lock = tmp_path / "thing.txt"
    wheels.lock_of(lock).write_text(text)
    with pytest.raises(InvalidInputError) as caught:
        wheels.read_wheels(lock)
    assert caught.value.code == "images.wheels_lock"


def test_a_lock_without_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        wheels.read_wheels(tmp_path / "thing.txt")
    assert caught.value.code == "images.wheels_unlocked"


def test_inputs_follow_the_list(tmp_path: Path) -> None:
    one, two = make_wheel(tmp_path, "one"), make_wheel(tmp_path, "two")
    assert wheels.inputs(write_lock(tmp_path, one)) != wheels.inputs(write_lock(tmp_path, one, two))
    assert wheels.inputs(write_lock(tmp_path, two, one)) == wheels.inputs(write_lock(tmp_path, one, two))


def test_fetch_brings_what_is_missing_once(tmp_path: Path, index: Path) -> None:
    held = [make_wheel(index, "one"), make_wheel(index, "two", tag="cp313-cp313-manylinux_2_28_x86_64")]
    lock = write_lock(tmp_path, *held)
    assert wheels.fetch(lock, tmp_path / "cache") == 2
    assert wheels.fetch(lock, tmp_path / "cache") == 0
    assert all(Store(tmp_path / "cache").has(one.digest) for one in held)


@pytest.mark.parametrize(
    "tag", ["cp312-cp312-manylinux_2_28_x86_64", "py3-none-win_amd64", "cp313-cp313-macosx_11_0_arm64"]
)
def test_fetch_refuses_files_of_another_platform(tmp_path: Path, index: Path, tag: str) -> None:
    lock = write_lock(tmp_path, make_wheel(index, "one", tag=tag))
    with pytest.raises(ProcessError):
        wheels.fetch(lock, tmp_path / "cache")


def test_fetch_refuses_other_bytes(tmp_path: Path, index: Path) -> None:
    lock = write_lock(tmp_path, Wheel(make_wheel(index, "one").file, DIGEST))
    with pytest.raises(ProcessError):
        wheels.fetch(lock, tmp_path / "cache")
    assert not Store(tmp_path / "cache").has(DIGEST)


def test_collect_links_exactly_the_list(tmp_path: Path, index: Path) -> None:
    held = [make_wheel(index, "one"), make_wheel(index, "two")]
    lock = write_lock(tmp_path, *held)
    wheels.fetch(lock, tmp_path / "cache")
    into = tmp_path / "context" / "wheels"
    wheels.collect(lock, tmp_path / "cache", into)
    assert {file.name for file in into.iterdir()} == {*(one.file for one in held), "requirements.txt"}
    assert (into / held[0].file).samefile(Store(tmp_path / "cache").path(held[0].digest))
    assert (into / "requirements.txt").read_text().splitlines() == [one.requirement for one in held]


def test_collect_wants_everything_fetched(tmp_path: Path) -> None:
    lock = write_lock(tmp_path, make_wheel(tmp_path, "one"))
    with pytest.raises(NotFoundError) as caught:
        wheels.collect(lock, tmp_path / "cache", tmp_path / "wheels")
    assert caught.value.code == "images.not_fetched"


def test_collect_finds_a_damaged_file(tmp_path: Path, index: Path) -> None:
    wheel = make_wheel(index, "one")
    lock = write_lock(tmp_path, wheel)
    wheels.fetch(lock, tmp_path / "cache")
    place = Store(tmp_path / "cache").path(wheel.digest)
    place.chmod(0o644)
    place.write_bytes(b"damaged")
    with pytest.raises(IntegrityError):
        wheels.collect(lock, tmp_path / "cache", tmp_path / "wheels")


def test_a_program_is_unpacked_once(tmp_path: Path, index: Path) -> None:
    lock = write_lock(tmp_path, make_wheel(index, "tool", script="tool"), make_wheel(index, "other"))
    wheels.fetch(lock, tmp_path / "cache")
    place = wheels.program(lock, tmp_path / "cache", "tool")
    assert place.read_text() == "#!/bin/sh\necho 1.0\n"
    assert stat.S_IMODE(place.stat().st_mode) == 0o755
    before = place.stat().st_ino
    assert wheels.program(lock, tmp_path / "cache", "tool").stat().st_ino == before
    assert [file.name for file in place.parent.iterdir()] == ["tool"]


@pytest.mark.parametrize("name", ["absent", "other"])
def test_a_program_that_nothing_carries(tmp_path: Path, index: Path, name: str) -> None:
    lock = write_lock(tmp_path, make_wheel(index, "other"))
    wheels.fetch(lock, tmp_path / "cache")
    with pytest.raises(NotFoundError) as caught:
        wheels.program(lock, tmp_path / "cache", name)
    assert caught.value.code == "images.no_program"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_the_committed_lists_agree_with_their_locks(lock: pylock.Lock) -> None:
    text = REQUIREMENTS / f"{lock.name}.txt"
    hashes = {name.lower(): held for name, held in pylock.read_hashes(text).items()}
    listed = wheels.read_wheels(text)
    for wheel in listed:
        assert wheel.digest in hashes[f"{wheel.project}=={wheel.version}"]
    everywhere = re.findall(r"^(\S+==[^\s;]+) \\$", text.read_text(), re.MULTILINE)
    assert {pin.lower() for pin in everywhere} <= {f"{one.project}=={one.version}" for one in listed}


@pytest.mark.parametrize("lock", pylock.LOCKS, ids=lambda lock: lock.name)
def test_no_lock_names_an_index_or_a_place(lock: pylock.Lock) -> None:
    text = (REQUIREMENTS / f"{lock.name}.txt").read_text()
    assert "://" not in text
    assert "--index" not in text
    assert " @ " not in text


def test_litellm_is_the_plain_package() -> None:
    held = {wheel.project: wheel.version for wheel in wheels.read_wheels(REQUIREMENTS / "litellm.txt")}
    assert held["litellm"] not in {"1.82.7", "1.82.8"}
    left_out = re.findall(r"^([\w-]+) ;", (REQUIREMENTS / "litellm.overrides").read_text(), re.MULTILINE)
    assert "litellm-enterprise" in left_out
    assert not held.keys() & set(left_out)


def test_a_file_under_another_name_is_not_what_is_locked(tmp_path: Path, index: Path) -> None:
    held = make_wheel(tmp_path, "thing")
    (tmp_path / held.file).rename(index / "thing-1.0-py2.py3-none-any.whl")
    with pytest.raises(IntegrityError) as caught:
        wheels.fetch(write_lock(tmp_path, held), tmp_path / "cache")
    assert caught.value.code == "images.wheel_absent"


def test_without_pip_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = write_lock(tmp_path, make_wheel(tmp_path, "thing"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreconditionError) as caught:
        wheels.fetch(lock, tmp_path / "cache")
    assert caught.value.code == "images.no_pip"
