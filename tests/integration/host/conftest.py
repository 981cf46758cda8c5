"""The small appliance for tests that start, change and stop it."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.built import built_image
from tests.integration.host.small import Small, make_small
from tests.integration.strays import ALL_ROOTS, SMALL_ROOTS, remove_strays

if TYPE_CHECKING:
    from collections.abc import Iterator


LOCK = Path("/run/lock/skerry-small.lock")
STACK_LOCK = Path("/run/lock/skerry-test.lock")


def roots_not_in_use() -> tuple[str, ...]:
    """Return whose leftovers may go: the test stack's too, unless a session has it now."""
    with STACK_LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return SMALL_ROOTS
    return ALL_ROOTS


@pytest.fixture(scope="session", autouse=True)
def alone() -> Iterator[None]:
    """Wait for another session's small appliance: both would have the same names and addresses."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_strays(roots_not_in_use())
        yield


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """Give the small appliance, not started; whatever a test starts is gone afterwards."""
    found = make_small(tmp_path_factory.mktemp("small"), built_image("python"))
    try:
        yield found
    finally:
        found.clean()
