"""`skerry images`, as far as it needs neither root nor built images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skerry.base.paths import find_checkout
from skerry.cli.main import main
from skerry.images.definition import load_catalogue

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SKERRY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_every_image_is_listed_built_or_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [one.name for one in load_catalogue(find_checkout()).images]
    assert all(line.endswith("not built") for line in lines)
    assert all("localhost/skerry/" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["images", "fetch", "nobody"], "there is no image 'nobody'"),
        (["images", "build", "nobody"], "there is no image 'nobody'"),
        (["images", "inputs", "import", "nothing.tar"], "nothing.tar does not exist"),
    ],
)
def test_a_failure_is_two_lines(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(("  ..", "  failed"))]
    assert len(lines) == 2
    assert said in lines[0]
