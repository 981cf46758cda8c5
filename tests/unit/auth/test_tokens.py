"""Tokens: what is minted verifies at its own door and at no other; what was forged verifies nowhere."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.unit.auth.rings import HOST_KEY, StoredKeys, ring_of

from skerry.auth import keys
from skerry.auth.guard import token_from
from skerry.auth.tokens import LEEWAY_S, SHORT_LIFE, Audience, Claims, Issuer, Subject
from skerry.base import clock
from skerry.base.errors import SkerryError, UnauthenticatedError
from skerry.kit.ids import new_id

ORGANIZATION = UUID("0190c0de-0000-7000-8000-000000000001")
TOKEN = UUID("0190c0de-0000-7000-8000-000000000002")
SUBJECT = Subject(
    kind="user",
    subject="0190c0de-0000-7000-8000-000000000003",
    organization_id=ORGANIZATION,
    organization="acme",
    name="laptop",
    email="ada@acme.test",
)
ROW = keys.make_signing_key(HOST_KEY)
PRIVATE = keys.unseal(ROW["private_sealed"], HOST_KEY, kid=ROW["kid"])


def issuer() -> Issuer:
    return Issuer(ring_of(StoredKeys(ROW)), issuer="skerry")


def minted(life: dt.timedelta = dt.timedelta(hours=1)) -> str:
    return asyncio.run(issuer().mint_api_key(SUBJECT, token_id=TOKEN, expires_at=clock.now() + life))


def verify(token: str, **options: Any) -> Claims:
    return asyncio.run(issuer().verify(token, **options))


def claims(**changes: Any) -> dict[str, Any]:
    moment = int(clock.now().timestamp())
    full = {
        "iss": "skerry",
        "aud": "skerry-api",
        "sub": "someone",
        "iat": moment,
        "nbf": moment,
        "exp": moment + 600,
        "jti": str(TOKEN),
        "organization": "acme",
        "organization_uuid": str(ORGANIZATION),
        **changes,
    }
    return {name: value for name, value in full.items() if value is not None}


def signed(body: dict[str, Any], *, key: Any = PRIVATE, algorithm: str = "ES256", **header: Any) -> str:
    return jwt.encode(body, key, algorithm=algorithm, headers={"kid": ROW["kid"], **header})


def code_of(token: str) -> str:
    with pytest.raises(UnauthenticatedError) as caught:
        verify(token)
    return caught.value.code


def test_an_api_key_says_what_stock_clients_read() -> None:
    body = jwt.decode(minted(), options={"verify_signature": False})
    assert body["organization"] == "acme"
    assert body["email"] == "ada@acme.test"
    assert body["token_id"] == body["jti"] == str(TOKEN)
    assert body["name"] == "laptop"
    assert body["organization_uuid"] == str(ORGANIZATION)
    assert verify(minted()) == Claims("user", SUBJECT.subject, TOKEN, ORGANIZATION, "acme")


def test_each_door_takes_its_own_tokens_only() -> None:
    async def go() -> None:
        ours = issuer()
        tokens: dict[Audience, str] = {
            "skerry-api": await ours.mint_api_key(SUBJECT, token_id=TOKEN, expires_at=clock.now() + SHORT_LIFE),
            "temporal": await ours.mint_temporal(SUBJECT, roles={"ns": ("write",)}),
            "litellm": await ours.mint_litellm(SUBJECT),
        }
        for made_for, token in tokens.items():
            for door in tokens:
                if door == made_for:
                    await ours.verify(token, audience=door)
                    continue
                with pytest.raises(UnauthenticatedError):
                    await ours.verify(token, audience=door)

    asyncio.run(go())


def test_a_temporal_token_carries_its_permissions() -> None:
    token = asyncio.run(issuer().mint_temporal(SUBJECT, roles={"a": ("write", "worker"), "b": ("read",)}))
    assert jwt.decode(token, options={"verify_signature": False})["permissions"] == ["a:write", "a:worker", "b:read"]


def test_what_nobody_can_revoke_is_short_lived() -> None:
    with pytest.raises(ValueError, match="SHORT_LIFE"):
        asyncio.run(issuer().mint_litellm(SUBJECT, life=SHORT_LIFE + dt.timedelta(seconds=1)))


def test_a_signed_token_of_ours_verifies() -> None:
    assert verify(signed(claims())).token_id == TOKEN


def _public_pem() -> bytes:
    return PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _with_header(**header: Any) -> str:
    _, body, signature = minted().split(".")
    full = {"alg": "ES256", "typ": "JWT", "kid": ROW["kid"], **header}
    encoded = base64.urlsafe_b64encode(json.dumps(full).encode()).rstrip(b"=").decode()
    return f"{encoded}.{body}.{signature}"


def _hs256_with_the_public_key() -> str:
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT", "kid": ROW["kid"]}, claims())
    )
    message = head + b"." + body
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(message, _public_pem())
    return (message + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


MOMENT = int(clock.now().timestamp())
FORGED = {
    "empty": "",
    "no JWT": "abc",
    "three empty parts": "..",
    "alg none": jwt.encode(claims(), "", algorithm="none", headers={"kid": ROW["kid"]}),
    "HS256 with the public key": _hs256_with_the_public_key(),
    "another key under our kid": signed(claims(), key=ec.generate_private_key(ec.SECP256R1())),
    "a kid of nobody": signed(claims(), kid="nobody"),
    "a kid that is a path": signed(claims(), kid="../../../../dev/null"),
    "a kid that is SQL": signed(claims(), kid="' or 1=1 --"),
    "a kid that is no text": _with_header(kid={"a": 1}),
    "no kid": _with_header(kid=None),
    "a key of its own": signed(claims(), key=ec.generate_private_key(ec.SECP256R1()), jwk=ROW["public_jwk"]),
    "a changed header": _with_header(typ="JWT2"),
    "an unknown critical header": _with_header(crit=["exp2"], exp2=1),
    "another issuer": signed(claims(iss="elsewhere")),
    "another audience": signed(claims(aud="temporal")),
    "a list of audiences": signed(claims(aud=["skerry-api", "temporal"])),
    "expired": signed(claims(exp=MOMENT - LEEWAY_S - 1)),
    "not yet valid": signed(claims(nbf=MOMENT + LEEWAY_S + 600)),
    "from the future": signed(claims(iat=MOMENT + LEEWAY_S + 600)),
    "an end that is no number": signed(claims(exp="never")),
    "a jti that is no id": signed(claims(jti="1")),
    "an organisation that is no id": signed(claims(organization_uuid="acme")),
    "64 KiB": _with_header(x="y" * 65536),
    **{f"no {name}": signed(claims(**{name: None})) for name in claims()},
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_is_refused(token: str) -> None:
    assert code_of(token).startswith("auth.token_")


@pytest.mark.parametrize(
    ("which", "code"),
    [
        ("no JWT", "auth.token_malformed"),
        ("64 KiB", "auth.token_malformed"),
        ("a jti that is no id", "auth.token_malformed"),
        ("a kid of nobody", "auth.token_unknown_key"),
        ("another key under our kid", "auth.token_refused"),
        ("another audience", "auth.token_refused"),
    ],
)
def test_a_refusal_says_which(which: str, code: str) -> None:
    assert code_of(FORGED[which]) == code


def test_an_expired_token_is_said_to_be_expired() -> None:
    assert code_of(FORGED["expired"]) == "auth.token_expired"


@pytest.mark.parametrize("place", range(3))
def test_a_changed_part_is_refused(place: int) -> None:
    parts = minted().split(".")
    parts[place] = parts[place][:-4] + ("AAAA" if parts[place][-4:] != "AAAA" else "BBBB")
    with pytest.raises(SkerryError):
        verify(".".join(parts))


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer k"},
        {"authorization": "bearer k"},
        {"authorization": "UserKey k"},
        {"authorization": "Baerer k"},
        {"authorization": "k"},
        {"authorization": "  Bearer   k  "},
        {"userkey": "k"},
    ],
)
def test_every_form_a_client_sends_is_read(headers: dict[str, str]) -> None:
    assert token_from(headers) == "k"


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}, {"authorization": "Bearer "}, {"userkey": " "}])
def test_no_token_is_said_to_be_none(headers: dict[str, str]) -> None:
    with pytest.raises(UnauthenticatedError):
        token_from(headers)


def test_ids_of_short_tokens_differ() -> None:
    first, second = (asyncio.run(issuer().mint_litellm(SUBJECT)) for _ in range(2))
    ids = [jwt.decode(token, options={"verify_signature": False})["jti"] for token in (first, second)]
    assert ids[0] != ids[1]
    assert UUID(ids[0]).version == new_id().version
