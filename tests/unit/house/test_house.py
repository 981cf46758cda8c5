"""The house rules that no linter knows: sizes, what may never be committed, and documents that say what is there."""

from __future__ import annotations

import ast
import math
import re
import tomllib
from pathlib import Path

import pytest

from skerry import __version__
from skerry.base.process import run
from skerry.host import preflight

ROOT = Path(__file__).resolve().parents[3]
FILE_LINES = 600
TEST_LINES = 800
FUNCTION_LINES = 80
BINARY_BYTES = 10_000_000


def tracked() -> list[Path]:
    """Files that git tracks or would track (untracked and not ignored), as paths in the checkout."""
    done = run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str | None:
    data = path.read_bytes()
    return None if b"\0" in data[:8192] else data.decode("utf-8", errors="replace")


PYTHON = [path for path in tracked() if path.suffix == ".py"]


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_sizes(path: Path) -> None:
    text = path.read_text()
    limit = TEST_LINES if "tests" in path.relative_to(ROOT).parts else FILE_LINES
    assert len(text.splitlines()) <= limit, f"over {limit} lines: split it"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES, f"{node.name} has {lines} lines: split it"
            inner = [item for item in ast.walk(node) if isinstance(item, ast.Import | ast.ImportFrom)]
            assert not inner, f"{node.name} imports inside a function"


def test_binaries_are_small() -> None:
    binary = {path: path.stat().st_size for path in tracked() if text_of(path) is None}
    assert sum(binary.values()) <= BINARY_BYTES, binary


def test_no_private_key_is_committed() -> None:
    pattern = re.compile("-----BEGIN " + r"(EC |RSA |OPENSSH |ENCRYPTED )?PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{64}")
    found = [path for path in tracked() if pattern.search(text_of(path) or "")]
    assert not found


def test_no_registry_host_and_no_machine_path_is_committed() -> None:
    """Package registries are the business of the machine that builds: names of packages travel, their hosts do not."""
    hosts = [
        "pypi" + ".org",
        "files.python" + "hosted.org",
        "proxy.golang" + ".org",
        "deb.debian" + ".org",
        "/wo" + "rk/",
    ]
    found = [
        (str(path.relative_to(ROOT)), host) for path in tracked() for host in hosts if host in (text_of(path) or "")
    ]
    assert not found


def test_readme_asks_for_what_is_checked() -> None:
    text = (ROOT / "README.md").read_text()
    room = (
        preflight.STATE_FREE_MIB + preflight.IMAGES_FREE_MIB + preflight.BUILD_CACHE_MIB + preflight.BUILD_STORAGE_MIB
    )
    assert f"{preflight.BUILD_MEMORY_MIB / 1024:g} GiB of memory free" in text
    assert f"{math.ceil(room / 1024)} GiB of disk" in text


def test_the_host_is_checked_before_anything_is_built() -> None:
    steps = run(["make", "-C", ROOT, "--dry-run", "up"]).stdout
    order = [steps.index(word) for word in ("scripts/tools", "stack check", "images build", "stack up")]
    assert order == sorted(order)


def test_scripts_are_short() -> None:
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file()]
    assert scripts
    for path in scripts:
        assert len(path.read_text().splitlines()) <= 40, f"{path.name}: a script is a verb, logic goes to src/skerry"


def test_make_tools_installs_all_that_the_stack_asks_for() -> None:
    text = (ROOT / "scripts/tools").read_text()
    words = {word for group in re.findall(r"need\+?=\(([^)]*)\)", text) for word in group.split()}
    assert {package for _, package in preflight.PROGRAMS} | {"netavark", "aardvark-dns", "crun", "runc"} <= words


def test_the_version_is_written_alike_everywhere() -> None:
    release = tomllib.loads((ROOT / "appliance/release.toml").read_text())["product"]["version"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert release == project == __version__
