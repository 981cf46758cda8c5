"""No secret where it does not belong: every value of the running stack is looked for wherever it could have leaked.

The secrets of a stack are random and its own, so each is its own canary: found anywhere but in its file and in podman's
store, it has leaked. Each is looked for as it is, and as base64 and hexadecimal would write it.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from skerry.base.paths import find_checkout
from skerry.base.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

LEAST_CHARS = 16


def canaries(stack: Stack) -> dict[bytes, str]:
    """Return every form of every secret that is not made of others, with its name."""
    found: dict[bytes, str] = {}
    rendered = {secret.name for secret in stack.plan.appliance.secrets.values() if secret.kind == "rendered"}
    for path in stack.state.secrets.iterdir():
        if path.name in rendered or path.name.startswith("."):
            continue
        value = path.read_bytes().strip()
        assert len(value) >= LEAST_CHARS, path.name
        found[value] = path.name
        found[base64.b64encode(value).rstrip(b"=")[:-1]] = f"{path.name} in base64"
        found[value.hex().encode()] = f"{path.name} in hexadecimal"
        raw = bytes.fromhex(value.decode()) if set(value) <= set(b"0123456789abcdef") else b""
        if raw:
            found[base64.b64encode(raw).rstrip(b"=")[:-1]] = f"the bytes of {path.name} in base64"
    return found


def leaks(data: bytes, wanted: Mapping[bytes, str], *, place: str) -> list[str]:
    return [f"{name} in {place}" for value, name in wanted.items() if value in data]


def test_there_is_something_to_look_for(stack: Stack) -> None:
    wanted = canaries(stack)
    assert len({name.split()[0] for name in wanted.values()}) >= 12
    value, name = next(iter(wanted.items()))
    assert leaks(b"before " + value + b" after", wanted, place="here") == [f"{name} in here"]


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
    wanted = canaries(stack)
    for words in (("stack", "status"), ("stack", "status", "--json"), ("stack", "logs")):
        done = stack.command(*words, check=False)
        assert leaks((done.stdout + done.stderr).encode(), wanted, place=" ".join(words)) == []


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


def test_no_layer_of_an_image_holds_a_secret(stack: Stack, tmp_path: Path) -> None:
    wanted = canaries(stack)
    patterns = tmp_path / "patterns"
    patterns.write_bytes(b"\n".join(wanted))
    patterns.chmod(0o600)
    for reference in sorted({item.image for item in stack.plan.instances.values()}):
        history = stack.podman.run(["image", "inspect", reference]).stdout
        assert leaks(history.encode(), wanted, place=reference) == []
        for layer in layers(history):
            done = run(
                ["grep", "--recursive", "--files-with-matches", "--fixed-strings", f"--file={patterns}", layer],
                check=False,
                deadline_s=300,
            )
            # 1: nothing found. Broken links of another layer make it 2, with nothing on standard output.
            assert done.stdout == "", f"{reference}: {done.stdout}"


def layers(inspected: str) -> Iterator[str]:
    """Return the folders on the host that an image's layers are kept in."""
    for image in json.loads(inspected):
        data = image["GraphDriver"]["Data"]
        for key in ("UpperDir", "LowerDir"):
            yield from filter(None, data.get(key, "").split(":"))
