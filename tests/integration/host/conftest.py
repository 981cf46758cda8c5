"""The small appliance for tests that start, change and stop it."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.built import built_image
from tests.integration.host.small import Small, make_small
from tests.integration.strays import SMALL_ROOTS, remove_strays

if TYPE_CHECKING:
    from collections.abc import Iterator


LOCK = Path("/run/lock/skerry-small.lock")


@pytest.fixture(scope="session", autouse=True)
def alone() -> Iterator[None]:
    """Wait for another session's small appliance: both would have the same names and addresses."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_strays(SMALL_ROOTS)
        yield


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """Give the small appliance, not started; whatever a test starts is gone afterwards."""
    found = make_small(tmp_path_factory.mktemp("small"), built_image("python"))
    try:
        yield found
    finally:
        found.clean()
