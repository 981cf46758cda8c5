"""`skerry bootstrap --hide-secrets`: what it makes is used and never shown."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from skerry.client.context import FILE_NAME, read_context
from skerry.client.http import Client

if TYPE_CHECKING:
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_hidden_key_is_in_the_context_and_nowhere_else(stack: Stack, form: tuple[str, ...]) -> None:
    path = stack.state.root / FILE_NAME
    before = read_context(path).key
    words = ("--organization=test", "--admin-email=admin@test.example", "--new-key", "--hide-secrets")
    done = stack.command("bootstrap", *words, *form)
    context = read_context(path)
    assert context.key != before
    assert context.key not in done.stdout + done.stderr
    assert str(path) in done.stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with Client(context) as client:
        assert client.find_agent("nobody") is None
