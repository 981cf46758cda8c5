"""A new signing key is taken by everybody who checks tokens, within a minute and a little, and the old one goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.integration.temporal import ADMIN, is_refused

from skerry.base import clock

if TYPE_CHECKING:
    from tests.integration.keys import PublishedKey
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

TAKEN_WITHIN_S = 75.0
"""Temporal reads the key set anew each minute (refreshInterval in server.yaml)."""
POLL_S = 2.0


def test_litellm_takes_a_new_key_at_once(stack: Stack, new_key: PublishedKey) -> None:
    claims = {"aud": "litellm", "organization": "test", "organization_uuid": "0190c0de-0000-7000-8000-000000000001"}
    url = f"http://{stack.address('api', 'litellm')}:4000/v1/models"
    for token in (stack.mint(claims, signer=new_key.signer), stack.mint(claims)):
        headers = {"authorization": f"Bearer {token}"}
        answer = stack.call_from("api", lambda: httpx.get(url, headers=headers, timeout=10, trust_env=False))  # noqa: B023  called at once
        assert answer.status_code == 200, answer.text


def test_temporal_takes_a_new_key_within_a_minute(stack: Stack, new_key: PublishedKey) -> None:
    claims = {"aud": "temporal", "permissions": ADMIN}
    token = stack.mint(claims, signer=new_key.signer)
    while (refused := is_refused(stack, token)) and clock.monotonic() < new_key.since + TAKEN_WITHIN_S:
        time.sleep(POLL_S)
    assert not refused
    assert not is_refused(stack, stack.mint(claims))
