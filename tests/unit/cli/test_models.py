"""`skerry models conformance`: what it prints, writes and ends with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.unit.conformance.simulator import CONTEXT_TOKENS, MODEL, Simulator, serving
from tests.unit.conformance.test_report import clever

from skerry.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def words(url: str, *more: str) -> list[str]:
    return ["models", "conformance", "--base-url", url, "--model", MODEL, f"--context-tokens={CONTEXT_TOKENS}", *more]


def test_a_good_model_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "key"
    key.write_text("hush-7f3a\n")
    with serving(Simulator(clever, key="hush-7f3a")) as url:
        status = main.main(words(url, "--key-file", str(key), "--json", str(tmp_path / "report.json")))
    said = capsys.readouterr()
    assert status == 0
    assert "chat: admitted\ntools: admitted\n" in said.out
    assert "  ok     shape.answer" in said.err
    report = (tmp_path / "report.json").read_text()
    assert [level["admitted"] for level in json.loads(report)["levels"]] == [True, True]
    assert "hush-7f3a" not in report + said.out + said.err


def test_a_bad_one_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Simulator(clever, frozenset({"tools_refused"}))) as url:
        assert main.main(words(url)) == 1
        assert "its chat template has no part for them" in capsys.readouterr().out
        assert main.main(words(url, "--level", "chat")) == 0


def test_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Simulator(clever)) as url:
        assert main.main(words(url, "--only", "errors", "--only", "stop")) == 0
    said = capsys.readouterr().out
    assert "errors.json" in said
    assert "shape.answer" not in said


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--only", "nothing"], "conformance.unknown_group"),
        (["--level", "root"], "conformance.level"),
        (["--key-file", "/nonexistent"], "conformance.key_file"),
        (["--key-file", "/dev/null"], "conformance.key_file"),
        (["--base-url", "http://127.0.0.1:9/v1"], "conformance.unreachable"),
        (["--base-url", "127.0.0.1"], "conformance.bad_url"),
    ],
)
def test_a_failure_is_two_lines(more: list[str], code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(words("http://127.0.0.1:9/v1", *more)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith(f"[{code}]")
