"""The keys that sign tokens: made, sealed under the host key, loaded, published.

Contract: ES256 only (P-256 with SHA-256, RFC 7518). A kid is the RFC 7638 thumbprint of the public key. The private
part is stored as AES-256-GCM: 12 bytes of nonce, then the ciphertext of the PKCS #8 DER with its tag, the kid as
associated data, so that a sealed key moved to another row does not open. A KeyRing holds public keys for verifying
and, where the process has the host key, the private key that signs now.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from sqlalchemy import or_, select

from skerry.base import clock
from skerry.base.errors import IntegrityError, PreconditionError, SkerryError, UnavailableError
from skerry.tables.tokens import signing_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import RowMapping

    from skerry.kit.db import Database

log = logging.getLogger(__name__)

ALGORITHM: Final = "ES256"
HOST_KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
COORDINATE_BYTES: Final = 32
RELOAD_S: Final = 60.0
"""A key made elsewhere is known here after this long at most."""
UNKNOWN_KID_RELOAD_S: Final = 2.0
"""A token with a kid we do not know makes us look again, but not more often than this."""
RELOAD_WAIT_S: Final = 1.0
"""How long such a token, or who wants the JWK Set, waits for that look; a database that hangs must hold nobody."""


def parse_host_key(data: bytes) -> bytes:
    """Return the 32 bytes of the host key, which its file writes as 64 hexadecimal digits.

    Raises:
        PreconditionError: `auth.host_key`.
    """
    try:
        key = bytes.fromhex(data.decode().strip())
    except ValueError:
        key = b""
    if len(key) != HOST_KEY_BYTES:
        raise PreconditionError(
            "auth.host_key", "the secret host-key is not 64 hexadecimal digits", "restore it from the site's backup"
        )
    return key


def public_jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """Return the public JWK (RFC 7517) of a P-256 key, with kid, use and alg."""
    numbers = key.public_numbers()
    jwk = {"crv": "P-256", "kty": "EC", "x": _base64url(numbers.x), "y": _base64url(numbers.y)}
    thumbprint = hashlib.sha256(json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode()).digest()
    kid = base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
    return {**jwk, "kid": kid, "use": "sig", "alg": ALGORITHM}


def make_signing_key(host_key: bytes) -> dict[str, Any]:
    """Return a row for `signing_keys`: a fresh key that signs from now on, its private part sealed under `host_key`."""
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = public_jwk(key.public_key())
    return {
        "kid": jwk["kid"],
        "algorithm": ALGORITHM,
        "public_jwk": jwk,
        "private_sealed": seal(key, host_key, kid=jwk["kid"]),
        "signs_from": clock.now(),
    }


def seal(key: ec.EllipticCurvePrivateKey, host_key: bytes, *, kid: str) -> bytes:
    """Return nonce and AES-256-GCM ciphertext of a private key, bound to its kid."""
    nonce = os.urandom(NONCE_BYTES)
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return nonce + AESGCM(host_key).encrypt(nonce, plain, kid.encode())


def unseal(sealed: bytes, host_key: bytes, *, kid: str) -> ec.EllipticCurvePrivateKey:
    """Open what `seal` made.

    Raises:
        IntegrityError: `auth.sealed_key`: another host key, another kid, or changed bytes.
    """
    try:
        plain = AESGCM(host_key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], kid.encode())
    except InvalidTag as error:
        raise IntegrityError(
            "auth.sealed_key", f"the signing key {kid} does not open under this host key", "restore host-key"
        ) from error
    key = load_der_private_key(plain, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise IntegrityError("auth.sealed_key", f"the signing key {kid} is of another kind", "rotate the keys")
    return key


@dataclass(frozen=True)
class SigningKey:
    """What signs now."""

    kid: str
    private: ec.EllipticCurvePrivateKey


class KeyRing:
    """The keys this process knows, read again every RELOAD_S seconds, or at once for a kid it has not seen."""

    def __init__(self, database: Database, *, host_key: bytes | None = None) -> None:
        """Make an empty ring; nothing is read before the first use.

        Args:
            database: where `signing_keys` is, read as role platform.
            host_key: opens the private part; without it this ring verifies and cannot sign.
        """
        self._database = database
        self._host_key = host_key
        self._public: dict[str, ec.EllipticCurvePublicKey] = {}
        self._jwks: list[dict[str, Any]] = []
        self._signing: SigningKey | None = None
        self._loaded = False
        self._asked_at = 0.0
        self._first = asyncio.Lock()
        self._reload: asyncio.Task[None] | None = None

    async def jwks(self) -> dict[str, Any]:
        """Return the JWK Set (RFC 7517, section 5) of every key that still verifies.

        Raises:
            UnavailableError: when keys were never read and PostgreSQL does not answer.
        """
        # Those who ask keep the answer for a minute themselves: an old one would be a minute more.
        await self._refresh(RELOAD_S, wait=True)
        return {"keys": list(self._jwks)}

    async def verifying(self, kid: str) -> ec.EllipticCurvePublicKey | None:
        """Return the public key of `kid`, None when nobody of ours has it.

        Raises:
            UnavailableError: when keys were never read and PostgreSQL does not answer.
        """
        await self._refresh(RELOAD_S)
        if kid not in self._public:
            await self._refresh(UNKNOWN_KID_RELOAD_S, wait=True)
        return self._public.get(kid)

    async def signing(self) -> SigningKey:
        """Return the key that signs now.

        Raises:
            UnavailableError: `auth.no_signing_key`, `database.unavailable`.
        """
        await self._refresh(RELOAD_S)
        if self._signing is None:
            raise UnavailableError("auth.no_signing_key", "there is no key to sign with", "run the job migrate")
        return self._signing

    async def _refresh(self, max_age_s: float, *, wait: bool = False) -> None:
        """Read the keys when they are older than `max_age_s`.

        What is known serves meanwhile: a caller waits for the first keys only, or (`wait`) a little for newer ones.
        """
        if not self._loaded:
            async with self._first:
                if not self._loaded:
                    await self._load()
            return
        if clock.monotonic() - self._asked_at >= max_age_s and (self._reload is None or self._reload.done()):
            self._asked_at = clock.monotonic()
            self._reload = asyncio.create_task(self._load_again())
        if wait and self._reload is not None:
            await asyncio.wait({self._reload}, timeout=RELOAD_WAIT_S)

    async def _load_again(self) -> None:
        try:
            await self._load()
        except SkerryError as error:
            log.warning("the signing keys were not read again: %s", error)

    async def _load(self) -> None:
        self._asked_at = clock.monotonic()
        async with self._database.platform_transaction("signing_keys") as session:
            rows = await session.all(
                select(signing_keys)
                .where(or_(signing_keys.c.verifies_until.is_(None), signing_keys.c.verifies_until > clock.now()))
                .order_by(signing_keys.c.signs_from.desc(), signing_keys.c.kid)
            )
        self._take(rows)
        self._loaded = True

    def _take(self, rows: Sequence[RowMapping]) -> None:
        self._jwks = [dict(row["public_jwk"]) for row in rows]
        self._public = {row["kid"]: load_public_jwk(row["public_jwk"]) for row in rows}
        current = next((row for row in rows if row["signs_from"] <= clock.now()), None)
        if self._host_key is None or current is None:
            self._signing = None
        elif self._signing is None or self._signing.kid != current["kid"]:
            private = unseal(bytes(current["private_sealed"]), self._host_key, kid=current["kid"])
            self._signing = SigningKey(current["kid"], private)


def load_public_jwk(jwk: Mapping[str, str]) -> ec.EllipticCurvePublicKey:
    """Return the P-256 public key of a JWK that `public_jwk` made."""
    numbers = ec.EllipticCurvePublicNumbers(_integer(jwk["x"]), _integer(jwk["y"]), ec.SECP256R1())
    return numbers.public_key()


def _base64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(COORDINATE_BYTES)).rstrip(b"=").decode()


def _integer(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
