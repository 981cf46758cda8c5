"""A signing key beside the one that signs: how a rotation begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from skerry.base import clock

if TYPE_CHECKING:
    from tests.integration.stack import SigningKey, Stack


@dataclass(frozen=True)
class PublishedKey:
    """A signing key as `Stack.mint` takes it, and since when (monotonic seconds) it is published."""

    signer: tuple[str, SigningKey]
    since: float


def publish_key(stack: Stack) -> PublishedKey:
    """Store a new signing key and see the API publish it."""
    signer = stack.add_signing_key()
    url = f"http://{stack.address('edge', 'api')}:8000"

    def ask(path: str, **headers: str) -> httpx.Response:
        return stack.call_from("edge", lambda: httpx.get(f"{url}{path}", headers=headers, timeout=10, trust_env=False))

    # A key id that the API has not seen makes it look at once; nobody has this token.
    token = stack.mint({"aud": "skerry-api"}, signer=signer)
    assert ask("/api/v1/models", authorization=f"Bearer {token}").status_code == httpx.codes.UNAUTHORIZED
    assert signer[0] in {key["kid"] for key in ask("/.well-known/jwks.json").json()["keys"]}
    return PublishedKey(signer, clock.monotonic())
