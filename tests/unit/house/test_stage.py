"""Budgets hold: a stage that takes too long is ended with all it started, and so is a run of too many stages."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from skerry.base.paths import find_checkout
from skerry.base.process import Completed, run

if TYPE_CHECKING:
    from pathlib import Path

ROOT = find_checkout().root
STAGE = ROOT / "scripts/stage"
MOST_S = 62 * 60


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "record"


def stage(record: Path, *words: str) -> Completed:
    return run([STAGE, *words], env={"SKERRY_STAGE_RECORD": str(record)}, check=False)


def test_a_stage_over_its_budget_is_ended_with_all_it_started(record: Path, tmp_path: Path) -> None:
    start = time.monotonic()
    # The shell in between dies of the first signal; what it started must not go on, nor hold the run up.
    script = f"(while sleep 0.2; do echo x >> {tmp_path}/beat; done); true"
    done = stage(record, "slow", "1", "--", "sh", "-c", script)
    assert time.monotonic() - start < 30
    assert done.status == 124
    assert len(done.stderr.splitlines()) == 2
    assert "slow did not end within its budget of 1 s" in done.stderr
    assert re.search(r"^slow +\d+ +1$", done.stdout, re.MULTILINE), "the summary comes with the failure"
    assert not record.exists()
    size = (tmp_path / "beat").stat().st_size
    time.sleep(0.7)
    assert (tmp_path / "beat").stat().st_size == size


def test_a_failing_stage_fails_with_its_own_status_and_the_summary(record: Path) -> None:
    assert stage(record, "good", "9", "--", "echo", "12 passed in 3.4s").status == 0
    done = stage(record, "bad", "9", "--", "sh", "-c", "echo why; exit 3")
    assert done.status == 3
    assert "why" in done.stdout
    rows = done.stdout.split("stage  ")[1]
    assert [line.split()[0] for line in rows.splitlines()[1:]] == ["good", "bad", "together", "===="]
    assert not record.exists()


def test_all_stages_together_have_a_budget(record: Path) -> None:
    for seconds, status in ((MOST_S, 0), (MOST_S + 1, 1)):
        record.write_text(f"stage one 100 200\nstage two {seconds - 100} 9999\n")
        done = stage(record, "--summary")
        assert done.status == status
        assert len(done.stderr.splitlines()) == 2 * status
        assert not record.exists()


def test_stages_of_one_make_are_told_together(tmp_path: Path) -> None:
    lines = [f"{STAGE} one 9 -- true", f"{STAGE} two 9 -- true", f"{STAGE} --summary"]
    (tmp_path / "Makefile").write_text("all:\n" + "".join(f"\t@{line}\n" for line in lines))
    done = run(["make", "--no-print-directory", "-C", tmp_path], env={"TMPDIR": str(tmp_path)})
    rows = done.stdout.rpartition("budget\n")[2]
    assert [line.split()[0] for line in rows.splitlines()] == ["one", "two", "together"]
    assert [place.name for place in tmp_path.iterdir()] == ["Makefile"]


def test_the_stages_of_make_test_fit_together() -> None:
    budgets = re.findall(r"\$\(STAGE\) \S+ (\d+) --", (ROOT / "Makefile").read_text())
    assert budgets
    assert sum(map(int, budgets)) <= MOST_S
