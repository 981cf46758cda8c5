"""The images that are built, as they lie in the storage: users, labels, parts lists, locked digests, and no network."""

from __future__ import annotations

import json
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.integration.changed import build_changed, changed_checkout

from skerry.base.errors import ProcessError
from skerry.base.paths import default_cache, find_checkout
from skerry.base.process import run
from skerry.images import debian, engine, foreign, recipe, wheels
from skerry.images.definition import Definition, load_catalogue
from skerry.images.inputs import Inputs
from skerry.stack.appliance import load_appliance

pytestmark = pytest.mark.integration

CHECKOUT = find_checkout(Path(__file__))
INPUTS = Inputs(load_catalogue(CHECKOUT), default_cache())
IMAGES = list(INPUTS.catalogue.images)
SERVED = {item.image for item in load_appliance(CHECKOUT).definitions.values()}
UNCHANGED_S = 5.0
LOCK = tomllib.loads(CHECKOUT.digests_lock.read_text())


def record_of(one: Definition) -> recipe.Result:
    record = recipe.read_record(INPUTS, one.name)
    assert record is not None, f"{one.name} is not built from what lies here: make images"
    return record


@pytest.mark.parametrize("one", IMAGES, ids=lambda one: one.name)
def test_user_and_labels(one: Definition) -> None:
    config = engine.inspect(INPUTS.reference(one.name))["config"]
    if one.name in SERVED:  # the others are only stood upon
        uid = config["User"].split(":")[0]
        assert uid.isdigit()
        assert int(uid) > 0
    labels = config["Labels"]
    for key in ("version", "source", "licenses"):
        assert labels[f"org.opencontainers.image.{key}"]


@pytest.mark.parametrize("one", IMAGES, ids=lambda one: one.name)
def test_parts_list(one: Definition) -> None:
    text = Path(record_of(one).sbom).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    kinds = {item["purl"].split(":")[1].split("/")[0] for item in document["components"]}
    assert "deb" in kinds
    assert ("golang" in kinds) == bool([program for step in INPUTS.catalogue.lineage(one.name) for program in step.go])
    assert all(item["licenses"] for item in document["components"])
    # What the image shows is what was locked, no more and no less: read from it, compared with the locks.
    lineage = INPUTS.catalogue.lineage(one.name)
    debs = {(package.name, package.version) for step in lineage for package in debian.blobs(step, INPUTS.cache)}
    if any(program.cgo for step in lineage for program in step.go):  # headers of the build root are compiled in
        root = INPUTS.catalogue.get(debian.BUILDROOT)
        wanted = set(root.debs) - foreign.TOOLCHAIN
        debs |= {(each.name, each.version) for each in debian.blobs(root, INPUTS.cache) if each.name in wanted}
    assert {(item["name"], item["version"]) for item in of_kind("deb", document)} == debs
    locks = [CHECKOUT.root / step.python for step in lineage if step.python]
    locked = {(wheel.project, wheel.version) for lock in locks for wheel in wheels.read_wheels(lock)}
    assert {(wheels.normalise(item["name"]), item["version"]) for item in of_kind("pypi", document)} == locked


def of_kind(kind: str, document: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in document["components"] if item["purl"].startswith(f"pkg:{kind}/")]


@pytest.mark.parametrize("one", [one for one in IMAGES if one.go], ids=lambda one: one.name)
def test_parts_list_names_the_c_inside_go_programs(one: Definition) -> None:
    listed = {
        item["purl"].partition("@")[0] for item in json.loads(Path(record_of(one).sbom).read_text())["components"]
    }
    assert {part.purl.replace("+", "%2B") for part in one.parts} <= listed


@pytest.mark.parametrize("one", [one for one in IMAGES if one.third_party], ids=lambda one: one.name)
def test_third_party_images_equal_the_lock(one: Definition) -> None:
    record = record_of(one)
    if record.unlocked:
        pytest.skip(f"{one.name} holds replacements of packages that Debian dropped; make lock takes them in")
    assert LOCK["images"][one.name] == record.image_id


@pytest.mark.parametrize("one", [one for one in IMAGES if one.go], ids=lambda one: one.name)
def test_go_programs_equal_the_lock(one: Definition) -> None:
    """Also where the image around them is unlocked: a program depends on the image's own packages in nothing."""
    built = record_of(one).programs
    assert built.keys() == {f"{one.name}/{program.output}" for program in one.go}
    replaced = recipe.unlocked_programs(INPUTS, one)
    assert {name: digest for name, digest in built.items() if name not in replaced} == {
        name: digest for name, digest in LOCK["go"].items() if name.startswith(f"{one.name}/") and name not in replaced
    }


def test_no_proprietary_package() -> None:
    for one in IMAGES:
        names = {item["name"].lower() for item in json.loads(Path(record_of(one).sbom).read_text())["components"]}
        assert "litellm-enterprise" not in names


def test_unchanged_input_builds_nothing() -> None:
    """By effect, every record and image is the one that was there; and by the clock, in the better of two times."""
    before = {one.name: (record_of(one), engine.stored_images()[INPUTS.reference(one.name)]) for one in IMAGES}
    done = run([str(CHECKOUT.root / "scripts/venv")]).stdout.strip()
    seconds = []
    for _ in range(2):
        start = time.monotonic()
        run(
            [f"{done}/bin/python", "-m", "skerry.cli.main", "images", "build"],
            env={"PYTHONPATH": str(CHECKOUT.root / "src")},
        )
        seconds.append(time.monotonic() - start)
    assert min(seconds) < UNCHANGED_S
    after = {one.name: (record_of(one), engine.stored_images()[INPUTS.reference(one.name)]) for one in IMAGES}
    assert after == before


def layers_of(reference: str) -> list[str]:
    found: list[str] = engine.inspect(reference)["rootfs"]["diff_ids"]
    return found


def test_a_changed_file_makes_one_layer_anew(tmp_path: Path) -> None:
    with changed_checkout(tmp_path, "src/skerry/agents/service.py") as changed:
        assert different(changed) == ["control-plane"]
        build_changed(changed, "control-plane")
        before, after = (layers_of(one.reference("control-plane")) for one in (INPUTS, changed))
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


def test_a_changed_file_of_base_is_in_both_images_of_ours(tmp_path: Path) -> None:
    with changed_checkout(tmp_path, "src/skerry/base/clock.py") as changed:
        assert different(changed) == ["control-plane", "litellm"]


def different(changed: Inputs) -> list[str]:
    """Return the images whose inputs are others than here."""
    return [one.name for one in IMAGES if changed.digest(one.name) != INPUTS.digest(one.name)]


def test_a_build_step_that_wants_the_network_fails(tmp_path: Path) -> None:
    """The wall stands, and it is the network that is missing: the same step without it ends well."""
    parent = INPUTS.reference("base")
    options = {"SKERRY_EPOCH": "0"}
    for name, step in (("wall", "exec 3<>/dev/tcp/192.0.2.1/80"), ("control", "exec 3</dev/null")):
        context = tmp_path / name
        context.mkdir()
        (context / "Containerfile").write_text(f"FROM {parent}\nUSER 0\nRUN bash -c '{step}'\n")
        reference = f"localhost/skerry-test/{name}:1"
        try:
            if name == "wall":
                with pytest.raises(ProcessError) as raised:
                    engine.build(context, reference=reference, options=options, labels={}, log=tmp_path / f"{name}.log")
                assert raised.value.code == "images.step_failed"
                assert "unreachable" in (tmp_path / f"{name}.log").read_text()
            else:
                engine.build(context, reference=reference, options=options, labels={}, log=tmp_path / f"{name}.log")
        finally:
            engine.remove_image(reference)
