"""Jobs may run again at any time; and no model comes in that the pack does not vouch for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skerry.base.catalog import read_models
from skerry.base.paths import default_cache, find_checkout
from skerry.bundle.pack import LIST, pack_models

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
def pack(tmp_path: Path) -> Path:
    """Give a copy of the model pack that a test may change; the container's user may read it."""
    folder = tmp_path / "pack"
    for name, origin in pack_models(find_checkout(), default_cache()).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(origin if isinstance(origin, bytes) else origin.read_bytes())
    for path in (tmp_path.parent, tmp_path, folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def load(stack: Stack, pack: Path) -> Completed:
    """Run the job's script on a pack of the test and an empty folder of models."""
    instance = stack.instance("models")
    words = ["run", "--rm", f"--name={NAME}", "--network=none", f"--user={instance.uid}:{instance.uid}", "--read-only"]
    words += [f"--env={name}={value}" for name, value in instance.environment.items()]
    words += ["--mount=type=tmpfs,destination=/models,chown=true", "--mount=type=tmpfs,destination=/tmp"]
    script = find_checkout().config / "ollama" / "load-models"
    words += [f"--volume={pack}:/catalog:ro", f"--volume={script}:/etc/skerry/load-models:ro"]
    twice = "bash /etc/skerry/load-models && bash /etc/skerry/load-models"
    return stack.podman.run([*words, instance.image, "bash", "-c", twice], check=False, deadline_s=120)


def test_models_are_loaded_once(stack: Stack, pack: Path) -> None:
    done = load(stack, pack)
    assert done.status == 0, done.stderr
    names = [model.ollama_name for model in read_models(find_checkout().catalog)]
    assert done.stdout.splitlines() == [f"{name} {what}" for what in ("loaded", "is there") for name in names]


@pytest.mark.parametrize("name", ["smoke/smoke.gguf", "embed/all-minilm-l6-v2.gguf", "smoke/Modelfile"])
def test_a_file_with_another_digest_is_refused(stack: Stack, pack: Path, name: str) -> None:
    data = bytearray((pack / name).read_bytes())
    data[len(data) // 2] ^= 1
    (pack / name).write_bytes(data)
    done = load(stack, pack)
    assert done.status != 0
    assert "not those of the pack" in done.stderr or "not that of the pack" in done.stderr
    assert f"{name.partition('/')[0]} loaded" not in done.stdout


@pytest.mark.parametrize("change", ["short", "long", "empty"])
def test_a_line_of_another_form_is_refused(stack: Stack, pack: Path, change: str) -> None:
    path = pack / LIST
    line = path.read_text().splitlines()[0]
    changed = {"short": line.rpartition("\t")[0], "long": f"{line}\tmore", "empty": ""}[change]
    path.write_text(f"{changed}\n")
    done = load(stack, pack)
    assert done.status != 0
    assert "has not five fields" in done.stderr
    assert "loaded" not in done.stdout


def test_an_empty_pack_is_refused(stack: Stack, pack: Path) -> None:
    (pack / LIST).write_text("")
    done = load(stack, pack)
    assert done.status != 0
    assert "names no model" in done.stderr
