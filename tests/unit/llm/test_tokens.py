"""Tokens against the key set, with keys made on the spot."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from skerry.base.errors import SkerryError
from skerry.llm import tokens
from skerry.llm.tokens import Caller, KeySet, read_keys, verify

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
LIFE_S = 3600
"""Tokens are minted when tests are collected: they live longer than the slowest run."""


def jwk(key: ec.EllipticCurvePrivateKey, key_id: str, **over: Any) -> dict[str, Any]:
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    return {**public, "kid": key_id, "alg": "ES256", "use": "sig", **over}


def mint(key: Any = KEY, *, algorithm: str = "ES256", kid: str | None = "one", **over: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": "skerry",
        "aud": "litellm",
        "sub": "worker",
        "iat": now,
        "exp": now + LIFE_S,
        "jti": "token-1",
        "organization": "acme",
        "organization_uuid": "0190c0de-0000-7000-8000-000000000001",
        "execution_id": "run-1",
        **over,
    }
    held = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(held, key, algorithm=algorithm, headers={"kid": kid} if kid else {})


class Api:
    """The API's key document: served from memory, counted, and refused on demand."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.down = False
        self.time = 1000.0

    async def fetch(self) -> bytes:
        self.asked += 1
        if self.down:
            raise httpx.ConnectError("refused")
        return json.dumps({"keys": self.keys}).encode()

    def key_set(self) -> KeySet:
        return KeySet(self.fetch, now=lambda: self.time)


async def code_of(token: str, keys: KeySet) -> str:
    with pytest.raises(SkerryError) as caught:
        await verify(token, keys)
    return caught.value.code


async def test_a_good_token_says_who_calls() -> None:
    caller = await verify(mint(), Api(jwk(KEY, "one")).key_set())
    uuid = "0190c0de-0000-7000-8000-000000000001"
    assert caller == Caller(organization="acme", organization_uuid=uuid, token_id="token-1", execution="run-1")
    assert caller.metadata["execution"] == "run-1"


async def test_an_execution_is_optional() -> None:
    assert (await verify(mint(execution_id=None), Api(jwk(KEY, "one")).key_set())).execution is None


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "llm.no_token"),
        ("sk-1234", "llm.malformed_token"),
        ("x" * (tokens.TOKEN_BYTES + 1), "llm.malformed_token"),
        (mint(None, algorithm="none"), "llm.algorithm"),
        (mint("secret" * 8, algorithm="HS256"), "llm.algorithm"),
        (mint(kid=None), "llm.unknown_key"),
        (mint(kid="two"), "llm.unknown_key"),
        (mint(OTHER), "llm.refused_token"),
        (mint(exp=int(time.time()) - 120), "llm.expired"),
        (mint(aud="skerry-api"), "llm.refused_token"),
        (mint(aud=["litellm", "skerry-api"]), "llm.refused_token"),
        (mint(aud=None), "llm.refused_token"),
        (mint(iss="elsewhere"), "llm.refused_token"),
        (mint(exp=None), "llm.refused_token"),
        (mint(jti=None), "llm.refused_token"),
        (mint(organization=None), "llm.refused_token"),
        (mint(organization=""), "llm.refused_token"),
        (mint(organization_uuid=7), "llm.refused_token"),
        (mint(nbf=int(time.time()) + LIFE_S), "llm.refused_token"),
    ],
)
async def test_refusals(token: str, code: str) -> None:
    assert await code_of(token, Api(jwk(KEY, "one")).key_set()) == code


async def test_the_public_key_is_no_shared_secret() -> None:
    """The classic confusion: an HMAC over the published key's text."""
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, _ = mint("secret" * 8, algorithm="HS256").split(".")
    signature = hmac.new(public, f"{head}.{body}".encode(), "sha256").digest()
    forged = f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert await code_of(forged, Api(jwk(KEY, "one")).key_set()) == "llm.algorithm"


async def test_keys_are_fetched_once_a_minute() -> None:
    api = Api(jwk(KEY, "one"))
    keys = api.key_set()
    for _ in range(3):
        await verify(mint(), keys)
    assert api.asked == 1
    api.time += tokens.REFRESH_S
    await verify(mint(), keys)
    assert api.asked == 2


async def test_an_unknown_key_is_looked_for_every_few_seconds_only() -> None:
    api = Api(jwk(KEY, "one"))
    keys = api.key_set()
    for _ in range(5):
        assert await code_of(mint(OTHER, kid="two"), keys) == "llm.unknown_key"
    assert api.asked == 1
    api.keys.append(jwk(OTHER, "two"))
    api.time += tokens.RETRY_S
    assert (await verify(mint(OTHER, kid="two"), keys)).organization == "acme"
    assert api.asked == 2


async def test_a_withdrawn_key_is_refused_after_a_minute() -> None:
    api = Api(jwk(KEY, "one"))
    keys = api.key_set()
    await verify(mint(), keys)
    api.keys = [jwk(OTHER, "two")]
    api.time += tokens.REFRESH_S
    assert await code_of(mint(), keys) == "llm.unknown_key"


async def test_known_keys_outlive_a_short_outage_and_no_longer() -> None:
    api = Api(jwk(KEY, "one"))
    keys = api.key_set()
    await verify(mint(), keys)
    api.down = True
    api.time += tokens.STALE_S - 1
    await verify(mint(), keys)
    api.time += 1
    assert await code_of(mint(), keys) == "llm.no_keys"
    api.down = False
    api.time += tokens.RETRY_S
    await verify(mint(), keys)


async def test_without_keys_nobody_is_let_in() -> None:
    api = Api(jwk(KEY, "one"))
    api.down = True
    assert await code_of(mint(), api.key_set()) == "llm.no_keys"


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"keys": 7}', b'{"keys": [7]}', b'{"keys": []}' + b" " * tokens.KEYS_BYTES]
)
async def test_a_document_that_is_none_counts_as_no_answer(document: bytes) -> None:
    async def fetch() -> bytes:
        return document

    assert await code_of(mint(), KeySet(fetch)) == "llm.no_keys"


@pytest.mark.parametrize(
    "over", [{"use": "enc"}, {"alg": "RS256"}, {"kty": "oct"}, {"crv": "P-384"}, {"kid": 7}, {"d": "AAAA"}]
)
def test_keys_of_another_kind_are_left_out(over: dict[str, Any]) -> None:
    document = {"keys": [jwk(KEY, "one", **over), jwk(OTHER, "two")]}
    assert set(read_keys(json.dumps(document).encode())) == {"two"}
