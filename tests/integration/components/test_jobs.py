"""Jobs may run again at any time; and no model comes in that the catalogue does not vouch for."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from skerry.base.paths import find_checkout

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.stack import Stack

    from skerry.base.process import Completed

pytestmark = pytest.mark.integration

JOBS = ("database-roles", "migrate", "models", "storage", "temporal-schema")
NAME = "skerry-test-models-trial"


@pytest.mark.parametrize("job", JOBS)
def test_a_job_runs_again_on_a_running_stack(stack: Stack, job: str) -> None:
    done = stack.podman.run(["start", "--attach", stack.container(job)], check=False, deadline_s=120)
    assert done.status == 0, done.stderr


def test_every_job_is_tried(stack: Stack) -> None:
    assert {name for name, item in stack.plan.instances.items() if item.definition.kind == "job"} == set(JOBS)


def test_jobs_have_no_more_than_they_need(stack: Stack) -> None:
    models = stack.instance("models")
    assert models.attachments == ()
    # Only the job that makes the roles has the superuser's password, besides the server itself.
    holders = {
        name for name, item in stack.plan.instances.items() for secret in item.secrets if "superuser" in secret.name
    }
    assert holders == {"postgres", "database-roles"}
    roots = {name for name, item in stack.plan.instances.items() for secret in item.secrets if "root" in secret.name}
    assert roots == {"minio", "storage"}


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Give a copy of models/ that a test may change; the container's user may read it."""
    folder = tmp_path / "models"
    shutil.copytree(find_checkout().models, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for path in (tmp_path.parent, tmp_path, folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def load(stack: Stack, catalog: Path) -> Completed:
    """Run the job's script on a catalogue of the test and an empty folder of models."""
    instance = stack.instance("models")
    words = ["run", "--rm", f"--name={NAME}", "--network=none", f"--user={instance.uid}:{instance.uid}", "--read-only"]
    words += [f"--env={name}={value}" for name, value in instance.environment.items()]
    words += ["--mount=type=tmpfs,destination=/models,chown=true", "--mount=type=tmpfs,destination=/tmp"]
    script = find_checkout().config / "ollama" / "load-models"
    words += [f"--volume={catalog}:/catalog:ro", f"--volume={script}:/etc/skerry/load-models:ro"]
    twice = "bash /etc/skerry/load-models && bash /etc/skerry/load-models"
    return stack.podman.run([*words, instance.image, "bash", "-c", twice], check=False, deadline_s=120)


def test_models_are_loaded_once(stack: Stack, catalog: Path) -> None:
    done = load(stack, catalog)
    assert done.status == 0, done.stderr
    assert done.stdout.splitlines() == ["skerry-smoke loaded", "skerry-smoke is there"]


def test_weights_with_another_digest_are_refused(stack: Stack, catalog: Path) -> None:
    weights = next(catalog.rglob("*.gguf"))
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    done = load(stack, catalog)
    assert done.status != 0
    assert "are not those of the catalogue" in done.stderr
    assert "loaded" not in done.stdout


@pytest.mark.parametrize("key", ["file", "sha256", "modelfile"])
def test_an_entry_that_lacks_something_is_refused(stack: Stack, catalog: Path, key: str) -> None:
    path = catalog / "catalog.toml"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(f"{key} =")))
    done = load(stack, catalog)
    assert done.status != 0
    assert "lacks file, sha256 or modelfile" in done.stderr


def test_an_empty_catalogue_is_refused(stack: Stack, catalog: Path) -> None:
    (catalog / "catalog.toml").write_text("# nothing\n")
    done = load(stack, catalog)
    assert done.status != 0
    assert "names no model" in done.stderr
