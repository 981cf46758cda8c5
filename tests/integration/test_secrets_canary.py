"""No secret where it does not belong: every value of the running stack is looked for wherever it could have leaked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.canaries import canaries, leaks, secrets_of

from skerry.base.paths import default_cache, find_checkout
from skerry.base.process import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

PLANTED = "localhost/skerry-test/planted:1"


def test_there_is_something_to_look_for(stack: Stack) -> None:
    wanted = canaries(stack)
    names = {name for name, _ in secrets_of(stack)}
    assert len(names) >= 16
    told = " ".join(names)
    assert all(word in told for word in ("administrator", "signing key", "root.key", "intermediate.key", "worker-"))
    for value, name in wanted.items():
        assert f"{name} in here" in leaks(b"before " + value + b" after", wanted, place="here")


def test_podman_shows_no_secret(stack: Stack) -> None:
    wanted = canaries(stack)
    shown = [
        ("inspect", stack.podman.run(["container", "inspect", *names(stack)]).stdout),
        ("ps", stack.podman.run(["ps", "--all", "--no-trunc", "--format=json"]).stdout),
        ("networks", stack.podman.run(["network", "ls", "--format=json"]).stdout),
        ("volumes", stack.podman.run(["volume", "ls", "--format=json"]).stdout),
        ("secrets", stack.podman.run(["secret", "ls", "--format=json"], check=False).stdout),
        ("events", stack.podman.run(["events", "--stream=false", "--since=2h"], check=False).stdout),
    ]
    assert [leak for place, text in shown for leak in leaks(text.encode(), wanted, place=place)] == []


def names(stack: Stack) -> list[str]:
    return sorted(stack.podman.containers())


def test_no_process_of_the_host_shows_a_secret(stack: Stack) -> None:
    wanted = canaries(stack)
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                data = (folder / name).read_bytes()
            except OSError:
                continue
            found += leaks(data, wanted, place=f"{name} of {data[:60]!r}")
    assert found == []


def test_no_log_holds_a_secret(stack: Stack) -> None:
    wanted = canaries(stack)
    found = []
    for name in names(stack):
        done = stack.podman.run(["logs", name])
        found += leaks((done.stdout + done.stderr).encode(), wanted, place=f"the log of {name}")
    assert found == []


def test_no_command_of_ours_prints_a_secret(stack: Stack) -> None:
    """`up` is searched too; `demo` and `run` where they are run: tests/integration/test_thread.py."""
    enrolled = stack.command("workers", "enroll", "test", "default")
    wanted = canaries(stack)
    said = {"stack up": stack.started, "workers enroll": enrolled}
    for words in (("stack", "status"), ("stack", "status", "--json"), ("stack", "logs")):
        said[" ".join(words)] = stack.command(*words, check=False)
    for place, done in said.items():
        assert done.stdout, place
        assert leaks((done.stdout + done.stderr).encode(), wanted, place=place) == []


def test_no_log_of_a_build_holds_a_secret(stack: Stack) -> None:
    wanted = canaries(stack)
    files = [path for path in (default_cache() / "log").rglob("*") if path.is_file()]
    assert files
    assert [leak for path in files for leak in leaks(path.read_bytes(), wanted, place=str(path))] == []


def test_the_tree_holds_no_secret(stack: Stack) -> None:
    wanted = canaries(stack)
    root = find_checkout().root
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=root).stdout
    found = []
    for name in filter(None, listed.split("\0")):
        path = root / name
        if path.is_file():
            found += leaks(path.read_bytes(), wanted, place=name)
    assert found == []


def test_no_configuration_file_of_a_container_holds_a_secret(stack: Stack) -> None:
    wanted = canaries(stack)
    kept = [stack.state.files, stack.state.hosts, stack.state.site]
    files = [path for top in kept for path in (top.rglob("*") if top.is_dir() else [top]) if path.is_file()]
    assert [leak for path in files for leak in leaks(path.read_bytes(), wanted, place=str(path))] == []


@pytest.fixture
def patterns(stack: Stack, tmp_path: Path) -> Path:
    """Give a file with a canary a line, as grep wants it: those that are text."""
    path = tmp_path / "patterns"
    path.touch(mode=0o600)
    path.write_bytes(b"\n".join(value for value in canaries(stack) if value.isascii()))
    return path


def describe(stack: Stack, references: Iterable[str]) -> str:
    return stack.podman.run(["image", "inspect", *references]).stdout


def layers_of(described: str) -> set[str]:
    """Return the folders on the host that the layers of images are kept in; each image has one at least."""
    found = set()
    for image in json.loads(described):
        data = image["GraphDriver"]["Data"]
        own = {folder for key in ("UpperDir", "LowerDir") for folder in data.get(key, "").split(":") if folder}
        assert own, f"{image['Id']}: no layer found to look into"
        found |= own
    return found


def search(folders: Iterable[str], patterns: Path) -> list[str]:
    """Return the files below `folders` that hold a canary."""
    options = ["--recursive", "--files-with-matches", "--fixed-strings", f"--file={patterns}"]
    done = run(["grep", *options, *sorted(folders)], env={"LC_ALL": "C"}, check=False, deadline_s=300)
    # 1: nothing found. A link of a layer that leads nowhere is no reason to stop; any other error is.
    assert [line for line in done.stderr.splitlines() if not line.endswith("No such file or directory")] == []
    assert done.status in {0, 1, 2}, done.status
    return done.stdout.splitlines()


def test_no_layer_of_an_image_holds_a_secret(stack: Stack, patterns: Path) -> None:
    described = describe(stack, sorted({item.image for item in stack.plan.instances.values()}))
    assert leaks(described.encode(), canaries(stack), place="the description of an image") == []
    assert search(layers_of(described), patterns) == []


def test_a_secret_that_was_planted_in_an_image_is_found(stack: Stack, patterns: Path, tmp_path: Path) -> None:
    folder = tmp_path / "layer"
    (folder / "opt").mkdir(parents=True)
    _, value = next(secrets_of(stack))
    (folder / "opt/notes.txt").write_bytes(b"the password is " + value + b".\n")
    (folder / "opt/nowhere").symlink_to("/not/there")
    run(["tar", "--create", f"--file={tmp_path / 'layer.tar'}", f"--directory={folder}", "."])
    stack.podman.run(["import", str(tmp_path / "layer.tar"), PLANTED])
    try:
        (found,) = search(layers_of(describe(stack, [PLANTED])), patterns)
        assert found.endswith("/opt/notes.txt")
    finally:
        stack.podman.run(["image", "rm", "--force", PLANTED])
