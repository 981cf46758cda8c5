"""One running stack for all integration tests that want one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Give a stack that was started from nothing, with one organisation and one worker pool."""
    with running_stack() as running:
        yield running
