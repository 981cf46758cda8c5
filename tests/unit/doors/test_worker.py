"""The workers' door: a sign of life, and no more loaded than a role needs."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from skerry import worker
from skerry.base.process import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_sign_of_life_ages(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    assert not worker.is_alive(path)
    path.touch()
    assert worker.is_alive(path)
    old = time.time() - worker.SILENCE_S - 1
    os.utime(path, (old, old))
    assert not worker.is_alive(path)


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["nobody"], ["agent", "more"]):
        assert worker.main(words) == worker.USAGE
    assert "system | agent | health" in capsys.readouterr().err


def test_the_agent_loads_nothing_that_knows_a_database() -> None:
    code = "import sys, skerry.worker, skerry.agent.process; print(' '.join(sorted(sys.modules)))"
    loaded = set(run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).stdout.split())
    assert "temporalio" in loaded
    assert not loaded & {"sqlalchemy", "psycopg", "redis", "fastapi", "jwt", "obstore", "skerry.kit", "skerry.tables"}


def test_health_loads_next_to_nothing() -> None:
    code = "import sys, skerry.worker; print(' '.join(sorted(sys.modules)))"
    loaded = set(run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).stdout.split())
    assert not loaded & {"temporalio", "httpx", "asyncio", "sqlalchemy"}
