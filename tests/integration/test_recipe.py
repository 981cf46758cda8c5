"""The recipe on real buildah, in a storage of the test's own: repeated, interrupted, failing and superseded builds."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.images.checkouts import make_checkout

from skerry.base import process
from skerry.base.errors import IntegrityError, ProcessError
from skerry.base.paths import Checkout, default_cache, find_checkout
from skerry.base.progress import Progress
from skerry.images import engine, recipe
from skerry.images.definition import load_catalogue
from skerry.images.inputs import Inputs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

ROOT = 'parent = "scratch"\n'
LEAF = 'parent = "root"\n'
BODY = "ARG SKERRY_PARENT\nFROM ${SKERRY_PARENT}\nARG SKERRY_UID\n"
END = "USER ${SKERRY_UID}\n"
BASE = "localhost/skerry-test/base:1"
START_DEADLINE_S = 30.0


class Workshop:
    """A checkout with one image of ours on a root, built into a storage that nobody else uses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkout: Checkout = make_checkout(folder / "checkout", root=ROOT, leaf=LEAF)
        (self.checkout.images / "licences.toml").write_text((find_checkout().images / "licences.toml").read_text())
        image = self.checkout.images / "leaf" / "image.toml"
        # A version of its own, so that no test finds what another one built.
        text = image.read_text().replace('user = "root"', 'user = "one"')
        image.write_text(text.replace('version = "1"', f'version = "{folder.name}"'))
        self.cache = folder / "cache"
        self.log = io.StringIO()
        self.write("RUN echo first > /made\n")

    def write(self, steps: str, *, end: str = END) -> None:
        (self.checkout.images / "leaf" / "Containerfile").write_text(f"{BODY}{steps}{end}")

    @property
    def inputs(self) -> Inputs:
        return Inputs(load_catalogue(self.checkout), self.cache)

    def build(self) -> dict[str, recipe.Result]:
        results = recipe.build(self.inputs, ["leaf"], progress=Progress(self.log), lock=self.folder / "lock")
        return {result.name: result for result in results}

    def working_containers(self) -> str:
        return process.run(["buildah", "containers", "--json"]).stdout


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the configuration of a storage that holds the product's own base image, and nothing else."""
    folder = tmp_path_factory.mktemp("storage")
    graph, running = folder / "graph", folder / "run"
    base = Inputs(load_catalogue(find_checkout()), default_cache()).reference("base")
    target = f"containers-storage:[overlay@{graph}+{running}]{BASE}"
    process.run(["skopeo", "copy", "--quiet", f"containers-storage:{base}", target])
    configuration = folder / "storage.conf"
    configuration.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{graph}"\nrunroot = "{running}"\n')
    try:
        yield configuration
    finally:
        process.run(["umount", "--recursive", "--quiet", str(graph / "overlay")], check=False)


@pytest.fixture
def workshop(tmp_path: Path, storage: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(storage))
    made = Workshop(tmp_path)
    # What was committed and not yet recorded is taken over, so no test makes a root of its own.
    process.run(["buildah", "tag", BASE, made.inputs.reference("root")])
    return made


def test_built_once_for_the_same_inputs(workshop: Workshop) -> None:
    first = workshop.build()
    config = engine.inspect(first["leaf"].reference)
    assert config["config"]["User"] == "2101"
    assert config["config"]["Labels"]["org.opencontainers.image.licenses"] == "MIT"
    assert "io.buildah.version" not in config["config"]["Labels"]
    assert not config.get("history")
    assert Path(first["leaf"].sbom).is_file()
    workshop.log.truncate(0)
    assert workshop.build() == first
    assert workshop.log.getvalue() == ""


def test_a_lost_record_or_image_is_made_again_with_the_same_digest(workshop: Workshop) -> None:
    first = workshop.build()["leaf"]
    for file in recipe.record_folder(workshop.cache, "leaf").glob("*.json"):
        file.unlink()
    assert workshop.build()["leaf"].image_id == first.image_id
    assert engine.remove_image(first.reference)
    assert workshop.build()["leaf"].image_id == first.image_id


def test_a_failing_step_shows_its_end_and_its_log(workshop: Workshop) -> None:
    workshop.write("RUN echo this is why >&2; exit 7\n")
    with pytest.raises(ProcessError) as raised:
        workshop.build()
    assert raised.value.code == "images.step_failed"
    assert "this is why" in raised.value.message
    log = Path(raised.value.hint.removeprefix("the whole log: "))
    assert "this is why" in log.read_text()
    assert workshop.inputs.reference("leaf") not in engine.stored_images()
    workshop.write("RUN echo first > /made\n")
    workshop.build()
    assert "leaf" not in workshop.working_containers()


@pytest.mark.parametrize("end", ["", "USER 0\n", "USER postgres\n", "USER 2102\n"])
def test_an_image_runs_as_its_own_number_or_is_not_kept(workshop: Workshop, end: str) -> None:
    workshop.write("", end=end)
    with pytest.raises(IntegrityError) as raised:
        workshop.build()
    assert raised.value.code == "images.wrong_user"
    assert workshop.inputs.reference("leaf") not in engine.stored_images()


BARE = "opt/x/lib/python3.13/site-packages/bare-1.dist-info"


def test_an_image_with_a_part_without_licence_is_not_kept(workshop: Workshop) -> None:
    write = f"RUN mkdir -p /{BARE} && printf 'Name: bare\\nVersion: 1\\n{{}}' > /{BARE}/METADATA\n"
    workshop.write(write.format(""))
    with pytest.raises(IntegrityError) as raised:
        workshop.build()
    assert raised.value.code == "sbom.no_licence"
    assert "pypi bare 1" in raised.value.message
    assert recipe.read_record(workshop.inputs, "leaf") is None
    assert workshop.inputs.reference("leaf") not in engine.stored_images()
    workshop.write(write.format("License-Expression: MIT\\n"))
    [part] = [one for one in components(workshop.build()["leaf"]) if one["name"] == "bare"]
    assert part["licenses"] == [{"license": {"id": "MIT"}}]


def components(result: recipe.Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(Path(result.sbom).read_text())["components"]
    return found


def test_a_build_that_was_killed_leaves_nothing_once_built_again(workshop: Workshop) -> None:
    workshop.write("RUN sleep 5; echo done > /made\n")
    code = (
        "import sys; from pathlib import Path; from skerry.base.paths import Checkout;"
        "from skerry.base.progress import Progress; from skerry.images import recipe;"
        "from skerry.images.definition import load_catalogue; from skerry.images.inputs import Inputs;"
        "i = Inputs(load_catalogue(Checkout(Path(sys.argv[1]))), Path(sys.argv[2]));"
        "recipe.build(i, ['leaf'], progress=Progress(), lock=Path(sys.argv[3]))"
    )
    words = [
        sys.executable,
        "-c",
        code,
        str(workshop.checkout.root),
        str(workshop.cache),
        str(workshop.folder / "lock"),
    ]
    variables = {**os.environ, "PYTHONPATH": str(find_checkout().root / "src")}  # noqa: TID251  a child's, like ours
    child = os.posix_spawn(sys.executable, words, variables, setpgroup=0)
    deadline = time.monotonic() + START_DEADLINE_S
    while "working-container" not in workshop.working_containers():
        assert time.monotonic() < deadline, "the build did not start"
        time.sleep(0.2)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while process.run(["pgrep", "--full", str(workshop.cache / "contexts")], check=False).status == 0:
        assert time.monotonic() < deadline, "the builder outlived its parent"
        time.sleep(0.1)
    assert recipe.read_record(workshop.inputs, "leaf") is None
    workshop.build()
    assert "working-container" not in workshop.working_containers()
    assert list((workshop.cache / "contexts").iterdir()) == []


def test_superseded_images_go_and_the_last_one_stays(workshop: Workshop) -> None:
    results = []
    for number in range(4):
        workshop.write(f"RUN echo {number} > /made\n")
        results.append(workshop.build()["leaf"])
    kept = [one.reference for one in results if one.reference in engine.stored_images()]
    assert kept == [one.reference for one in results[-recipe.KEPT_IMAGES :]]
    assert len(list(recipe.record_folder(workshop.cache, "leaf").glob("*.cdx.json"))) == recipe.KEPT_IMAGES
