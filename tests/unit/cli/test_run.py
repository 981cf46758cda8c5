"""`skerry run`: files are looked at before anybody is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skerry.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("names", "code"), [(["a/app.log", "none.log"], "run.no_file"), (["a/app.log", "b/app.log"], "run.same_name")]
)
def test_files_that_cannot_be_sent(
    names: list[str], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a/app.log", "b/app.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a line\n")
    assert main(["run", "reader", "What is wrong?", *(f"--file={tmp_path / name}" for name in names)]) == 1
    first, _ = capsys.readouterr().err.splitlines()
    assert first.endswith(f"[{code}]")
