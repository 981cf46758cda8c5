"""Every error of ours has a test that knows it by its code: what people and programs act upon is never untried."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CODE = re.compile(r"[a-z_]+\.[a-z_0-9]+")
RAISED = re.compile(r"\w*(Error|Finding)")
HERE = Path(__file__).name


def codes_of(source: str) -> set[str]:
    """Return every code that is written where an error or a finding is made."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and node.args and isinstance(first := node.args[0], ast.Constant)):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if RAISED.fullmatch(name) and isinstance(first.value, str) and CODE.fullmatch(first.value):
            found.add(first.value)
    return found


CODES = {code for path in (ROOT / "src").rglob("*.py") for code in codes_of(path.read_text())}
KNOWN = {
    code for path in (ROOT / "tests").rglob("*.py") if path.name != HERE for code in CODE.findall(path.read_text())
}


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_in_a_test(code: str) -> None:
    assert code in KNOWN, "no test makes this happen and asks for it"


def test_codes_are_found_where_they_are_made() -> None:
    source = 'raise NotFoundError("agent.not_found", "m", "h")\nFinding("preflight.disk", f"{x}", "h")\nlog("a.b")\n'
    assert codes_of(source) == {"agent.not_found", "preflight.disk"}
    assert len(CODES) > 150
