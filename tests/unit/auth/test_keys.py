"""Keys: sealed, published, rotated, and known while the database is away."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from tests.unit.auth.rings import HOST_KEY, StoredKeys, ring_of

from skerry.auth import keys
from skerry.base import clock
from skerry.base.errors import IntegrityError, PreconditionError, UnavailableError


def test_the_host_key_is_64_hexadecimal_digits() -> None:
    assert keys.parse_host_key(b"00" * 32 + b"\n") == bytes(32)


@pytest.mark.parametrize("data", [b"", b"00" * 31, b"00" * 33, b"zz" * 32, bytes(32), b"\xff" * 64])
def test_another_host_key_is_refused(data: bytes) -> None:
    with pytest.raises(PreconditionError) as caught:
        keys.parse_host_key(data)
    assert caught.value.code == "auth.host_key"


def test_a_sealed_key_opens_under_its_host_key_and_kid_only() -> None:
    row = keys.make_signing_key(HOST_KEY)
    opened = keys.unseal(row["private_sealed"], HOST_KEY, kid=row["kid"])
    assert keys.public_jwk(opened.public_key()) == row["public_jwk"]
    changed = row["private_sealed"][:-1] + bytes([row["private_sealed"][-1] ^ 1])
    for sealed, host_key, kid in (
        (row["private_sealed"], bytes(32), row["kid"]),
        (row["private_sealed"], HOST_KEY, "another"),
        (changed, HOST_KEY, row["kid"]),
    ):
        with pytest.raises(IntegrityError) as caught:
            keys.unseal(sealed, host_key, kid=kid)
        assert caught.value.code == "auth.sealed_key"


def test_nothing_private_is_published() -> None:
    row = keys.make_signing_key(HOST_KEY)
    published = asyncio.run(ring_of(StoredKeys(row)).jwks())
    assert [set(key) for key in published["keys"]] == [{"kty", "crv", "x", "y", "kid", "use", "alg"}]
    assert keys.public_jwk(keys.load_public_jwk(row["public_jwk"])) == row["public_jwk"]


def test_the_youngest_key_that_has_begun_signs_and_old_ones_verify() -> None:
    old, young, coming = (keys.make_signing_key(HOST_KEY) for _ in range(3))
    old["signs_from"] -= dt.timedelta(days=2)
    old["verifies_until"] = clock.now() + dt.timedelta(hours=1)
    young["signs_from"] -= dt.timedelta(days=1)
    coming["signs_from"] += dt.timedelta(days=1)

    async def go() -> None:
        ring = ring_of(StoredKeys(old, young, coming))
        assert (await ring.signing()).kid == young["kid"]
        assert await ring.verifying(old["kid"]) is not None
        assert {key["kid"] for key in (await ring.jwks())["keys"]} == {old["kid"], young["kid"], coming["kid"]}

    asyncio.run(go())


def test_a_key_past_its_end_does_not_verify() -> None:
    row = keys.make_signing_key(HOST_KEY)
    row["verifies_until"] = clock.now() - dt.timedelta(seconds=1)
    assert asyncio.run(ring_of(StoredKeys(row)).verifying(row["kid"])) is None


def test_a_ring_without_the_host_key_verifies_and_cannot_sign() -> None:
    row = keys.make_signing_key(HOST_KEY)

    async def go() -> None:
        ring = ring_of(StoredKeys(row), host_key=None)
        assert await ring.verifying(row["kid"]) is not None
        with pytest.raises(UnavailableError) as caught:
            await ring.signing()
        assert caught.value.code == "auth.no_signing_key"

    asyncio.run(go())


def test_an_unknown_kid_is_looked_up_but_not_at_will(monkeypatch: pytest.MonkeyPatch) -> None:
    elapsed = 0.0
    monkeypatch.setattr(clock, "monotonic", lambda: 1000.0 + elapsed)
    stored = StoredKeys(keys.make_signing_key(HOST_KEY))

    async def go() -> None:
        nonlocal elapsed
        ring = ring_of(stored)
        for _ in range(100):
            assert await ring.verifying("nobody") is None
        assert stored.asked == 1
        made = keys.make_signing_key(HOST_KEY)
        stored.rows.append(made)
        elapsed = keys.UNKNOWN_KID_RELOAD_S
        assert await ring.verifying(made["kid"]) is not None
        assert stored.asked == 2

    asyncio.run(go())


def test_known_keys_outlive_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    elapsed = 0.0
    monkeypatch.setattr(clock, "monotonic", lambda: 1000.0 + elapsed)
    stored = StoredKeys(keys.make_signing_key(HOST_KEY))

    async def go() -> None:
        nonlocal elapsed
        ring = ring_of(stored)
        assert len((await ring.jwks())["keys"]) == 1
        stored.down = True
        elapsed = keys.RELOAD_S * 2
        assert len((await ring.jwks())["keys"]) == 1
        assert len((await ring.jwks())["keys"]) == 1
        assert stored.asked == 2
        stored.down = False
        stored.rows.append(keys.make_signing_key(HOST_KEY))
        elapsed = keys.RELOAD_S * 4
        assert len((await ring.jwks())["keys"]) == 2, "who asks gets the new key at once"

    asyncio.run(go())


def test_a_database_that_hangs_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    elapsed = 0.0
    monkeypatch.setattr(clock, "monotonic", lambda: 1000.0 + elapsed)
    monkeypatch.setattr(keys, "RELOAD_WAIT_S", 0.05)
    stored = StoredKeys(keys.make_signing_key(HOST_KEY))

    async def go() -> None:
        nonlocal elapsed
        ring = ring_of(stored)
        await ring.jwks()
        stored.hangs = asyncio.Event()
        elapsed = keys.RELOAD_S * 2
        async with asyncio.timeout(1):
            assert len((await ring.jwks())["keys"]) == 1
            assert await ring.verifying(stored.rows[0]["kid"]) is not None
            assert await ring.verifying("nobody") is None
        stored.hangs.set()
        await asyncio.sleep(0.01)

    asyncio.run(go())


def test_keys_never_read_are_unavailable() -> None:
    stored = StoredKeys()
    stored.down = True
    with pytest.raises(UnavailableError):
        asyncio.run(ring_of(stored).jwks())
