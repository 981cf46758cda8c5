"""The example appliance for every test here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.stack.example import Example

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return Example(tmp_path)
