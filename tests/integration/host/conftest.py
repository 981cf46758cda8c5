"""The small appliance for tests that start, change and stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.built import built_image
from tests.integration.host.small import Small, make_small
from tests.integration.strays import alone

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _alone() -> Iterator[None]:
    """Wait for another session's stack: both would have the same names, addresses and ports."""
    with alone():
        yield


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """Give the small appliance, not started; whatever a test starts is gone afterwards."""
    found = make_small(tmp_path_factory.mktemp("small"), built_image("python"))
    try:
        yield found
    finally:
        found.clean()
