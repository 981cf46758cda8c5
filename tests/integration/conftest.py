"""One running stack for all integration tests that want one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.keys import PublishedKey, publish_key
from tests.integration.stack import KILLED_AT, running_stack

from skerry.base.paths import write_atomic
from skerry.host.machine import Machine, podman_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.stack import Stack


SETTINGS = Path("/run/skerry-test/containers.conf")


def pytest_configure(config: pytest.Config) -> None:  # noqa: ARG001  pytest's own form
    """Let every podman of the tests run with the settings that the product finds this host to need."""
    if "CONTAINERS_CONF" in os.environ:  # noqa: TID251  what a person chose stands
        return
    text = podman_settings(Machine())
    if text:
        write_atomic(SETTINGS, text.encode())
        os.environ["CONTAINERS_CONF"] = str(SETTINGS)  # noqa: TID251  children inherit it


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Give a stack that was started from nothing, with one organisation and one worker pool.

    Its first `up` is killed twice on the way, so what the tests see is also what an interrupted start is mended to.
    """
    with running_stack(killed_at=KILLED_AT) as running:
        yield running


@pytest.fixture(scope="session")
def new_key(stack: Stack) -> PublishedKey:
    """Give a signing key that is published from now on; who asks for it early in the session need not wait later."""
    return publish_key(stack)
