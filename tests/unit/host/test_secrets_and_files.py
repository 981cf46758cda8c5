"""Secrets on disk and configuration as containers mount it."""

from __future__ import annotations

import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.bundle.test_pack import PACKED, make_models
from tests.unit.stack.example import OTHER_POOL, POOL, Example

from skerry.base.errors import SkerryError
from skerry.host.files import MAKERS, Staged, remove_unused, stage_files
from skerry.host.local import digest_instance
from skerry.host.secrets import make_secrets, store_secret
from skerry.host.state import State
from skerry.stack.definition import MADE

if TYPE_CHECKING:
    from pathlib import Path

    from skerry.stack.plan import Pool


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return Example(tmp_path / "checkout")


@pytest.fixture
def state(tmp_path: Path) -> State:
    found = State(tmp_path / "state")
    found.make_folders()
    return found


def stage(example: Example, state: State) -> Staged:
    return stage_files(example.plan(), state, root=example.root, cache=example.root / "cache")


def make(example: Example, state: State, *pools: Pool) -> dict[str, str]:
    files = make_secrets(example.plan(*pools), state, root=example.root)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files.values())
    return {name: path.read_text() for name, path in files.items()}


def test_random_secrets_are_made_once_in_their_form(example: Example, state: State) -> None:
    example.secrets["token"] = {"kind": "random", "about": "x", "bytes": 20, "encoding": "base64url", "prefix": "sk-"}
    first = make(example, state)
    assert len(first["store-key"]) == 64
    assert int(first["store-key"], 16) > 0
    assert first["token"].startswith("sk-")
    assert len(first["token"]) == len("sk-") + 27
    assert make(example, state) == first
    other = State(state.root / "other")
    other.make_folders()
    assert make(example, other)["store-key"] != first["store-key"]


def test_rendered_secrets_follow_their_template_and_what_they_hold(example: Example, state: State) -> None:
    found = make(example, state)
    assert found["store-config"] == f"key = {found['store-key']}\nname = localhost\n"
    (example.root / "appliance/config/store.in").write_text("${store-key}")
    assert make(example, state)["store-config"] == found["store-key"]
    (state.secrets / "store-key").write_text("rotated")
    assert make(example, state)["store-config"] == "rotated"


def test_a_pool_without_its_key_is_refused(example: Example, state: State) -> None:
    store_secret(f"worker-{POOL.queue_id}", b"key", state)
    assert make(example, state, POOL)[f"worker-{POOL.queue_id}"] == "key"
    with pytest.raises(SkerryError) as caught:
        make(example, state, POOL, OTHER_POOL)
    assert caught.value.code == "host.secret_missing"


def test_files_are_copied_readable_and_named_by_content(example: Example, state: State) -> None:
    folder = example.root / "appliance/config/programs"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/run").write_text("x")
    (folder / "deep/run").chmod(0o700)
    (folder / "data").write_text("y")
    (folder / "data").chmod(0o600)
    example.services["store"]["files"] = [{"source": "appliance/config/programs", "target": "/x"}]
    staged = stage(example, state)
    target = staged.sources["appliance/config/programs"]
    assert target.is_relative_to(state.files)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in target.rglob("*")}
    assert modes == {"deep": 0o755, "run": 0o755, "data": 0o644}
    assert stage(example, state).sources == staged.sources
    (folder / "data").write_text("z")
    again = stage(example, state)
    assert again.sources != staged.sources
    assert target.exists(), "a running container still has the old ones"
    remove_unused(again, example.plan())
    assert not target.exists()


def test_equal_files_of_different_names_do_not_meet(example: Example, state: State) -> None:
    (example.root / "appliance/config/other.toml").write_text("")
    example.services["store"]["files"].append({"source": "appliance/config/other.toml", "target": "/other"})
    staged = stage(example, state)
    assert all(path.is_file() for path in staged.sources.values())
    assert len(set(staged.sources.values())) == 2


def test_a_half_copied_folder_is_copied_again(example: Example, state: State) -> None:
    staged = stage(example, state)
    target = staged.sources["appliance/config/store.toml"]
    target.unlink()
    (state.files / f"{target.parent.name}.part").mkdir()
    assert stage(example, state).sources["appliance/config/store.toml"].is_file()


def test_links_in_a_folder_are_refused(example: Example, state: State) -> None:
    folder = example.root / "appliance/config/linked"
    folder.mkdir()
    (folder / "shadow").symlink_to("/etc/shadow")
    example.services["store"]["files"] = [{"source": "appliance/config/linked", "target": "/x"}]
    with pytest.raises(SkerryError) as caught:
        stage(example, state)
    assert caught.value.code == "host.odd_file"


def test_what_the_build_makes_is_staged_like_the_rest(example: Example, state: State) -> None:
    example.services["store"]["files"] = [{"source": "made/models", "target": "/catalog", "made": True}]
    with pytest.raises(SkerryError) as caught:
        stage(example, state)
    assert caught.value.code == "model.catalog"
    make_models(example.root, example.root / "cache")
    staged = stage(example, state)
    target = staged.sources["made/models"]
    assert {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} == PACKED
    assert stage(example, state).sources == staged.sources
    (example.root / "models/chat/Modelfile").write_text("FROM ./chat.gguf\nPARAMETER num_ctx 8\n")
    assert stage(example, state).sources != staged.sources


def test_everything_that_may_be_made_has_a_maker() -> None:
    assert MAKERS.keys() == set(MADE)


def test_hosts_files_are_rewritten_only_when_they_change(example: Example, state: State) -> None:
    stage(example, state)
    path = state.hosts / "skerry-front"
    before = path.stat().st_ino
    stage(example, state)
    assert path.stat().st_ino == before
    assert path.read_text().endswith(" store\n")


def test_a_digest_tells_what_a_container_is_made_from(example: Example, state: State) -> None:
    def digests(*pools: Pool, image: str = "sha256:1", version: str = "a") -> dict[str, str]:
        plan = example.plan(*pools)
        staged = stage_files(plan, state, root=example.root, cache=example.root)
        versions = {"skerry-store-config": version}
        return {
            name: digest_instance(item, staged, secrets=versions, image=image, limits=True)
            for name, item in plan.instances.items()
        }

    first = digests()
    assert digests() == first
    assert {name: value for name, value in digests(POOL).items() if name in first} == first, "a pool changes nobody"
    rotated = digests(version="b")
    assert [name for name in first if rotated[name] != first[name]] == ["store"]
    assert not set(digests(image="sha256:2").values()) & set(first.values())
    (example.root / "appliance/config/store.toml").write_text("changed = true")
    assert [name for name, value in digests().items() if value != first[name]] == ["store"]
    example.services["front"]["limits"] = {"memory_mib": 65}
    assert digests()["front"] != first["front"]
    assert replace(POOL, slot=3).ids_first > POOL.ids_first
