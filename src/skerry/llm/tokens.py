"""Who is calling: an ES256 token for the audience `litellm`, checked against the API's published keys.

Contract: a token is taken only when its key id is published, its algorithm is ES256, its issuer and audience are ours,
it has not expired, and it names an organisation and its own id. Keys are fetched with a deadline, again each minute,
and at once for an unknown key id (then at most every few seconds). While the API does not answer, the keys known go on,
but not longer than STALE_S.
Source: RFC 7515, 7517, 7519, 8725 (one algorithm, audience and issuer always checked).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx
import jwt

from skerry.base import clock
from skerry.base.errors import UnauthenticatedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Fetch = Callable[[], Awaitable[bytes]]

ALGORITHM: Final = "ES256"
CURVE: Final = "P-256"
ISSUER: Final = "skerry"
AUDIENCE: Final = "litellm"
REQUIRED: Final = ("iss", "aud", "sub", "exp", "jti", "organization", "organization_uuid")
LEEWAY_S = 30.0  # clocks of two hosts differ a little
REFRESH_S = 60.0
RETRY_S = 3.0  # between two fetches, whatever asks for them
STALE_S = 600.0
FETCH_DEADLINE_S = 2.0
TOKEN_BYTES = 8 << 10
KEYS_BYTES = 64 << 10
HINT = "ask the API for a token for the audience 'litellm'"


@dataclass(frozen=True)
class Caller:
    """Who a good token speaks for; what is absent is None."""

    organization: str
    organization_uuid: str
    token_id: str
    execution: str | None = None

    @property
    def metadata(self) -> dict[str, str | None]:
        """What travels with the call to the usage line."""
        return asdict(self)


class KeySet:
    """The API's public keys by key id, fetched lazily."""

    def __init__(self, fetch: Fetch, *, now: Callable[[], float] = clock.monotonic) -> None:
        self._fetch = fetch
        self._now = now
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._lock = asyncio.Lock()

    async def get(self, key_id: str) -> jwt.PyJWK:
        """Return the key of `key_id`.

        Raises:
            UnauthenticatedError: `llm.unknown_key` when it is not published.
            UnavailableError: `llm.no_keys` when no keys could be fetched for too long.
        """
        if self._age(self._fetched) < REFRESH_S and key_id in self._keys:
            return self._keys[key_id]
        # With a usable key in hand nobody waits for somebody else's fetch.
        if not (self._lock.locked() and key_id in self._keys and self._age(self._fetched) < STALE_S):
            await self._refresh(key_id)
        if self._age(self._fetched) >= STALE_S:
            raise UnavailableError("llm.no_keys", "the keys that sign tokens cannot be fetched", "look at the API")
        if key_id not in self._keys:
            raise UnauthenticatedError("llm.unknown_key", "the token is signed with a key that is not published", HINT)
        return self._keys[key_id]

    async def _refresh(self, key_id: str) -> None:
        async with self._lock:
            current = self._age(self._fetched) < REFRESH_S and key_id in self._keys
            if current or self._age(self._tried) < RETRY_S:
                return
            self._tried = self._now()
            try:
                self._keys = read_keys(await self._fetch())
            except (httpx.HTTPError, OSError, ValueError, jwt.PyJWTError):
                return  # the caller decides by the age of what is known
            self._fetched = self._now()

    def _age(self, moment: float | None) -> float:
        return float("inf") if moment is None else self._now() - moment


def read_keys(document: bytes) -> dict[str, jwt.PyJWK]:
    """Return the usable keys of a JWKS document by key id; keys of another kind, or without an id, are left out.

    Raises:
        ValueError: when it is no JWKS document, or longer than KEYS_BYTES.
    """
    if len(document) > KEYS_BYTES:
        raise ValueError("the key document is too long")
    held = json.loads(document)
    entries = held.get("keys") if isinstance(held, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("this is no key document")
    return {entry["kid"]: jwt.PyJWK(entry, algorithm=ALGORITHM) for entry in entries if _is_usable(entry)}


def _is_usable(entry: Mapping[str, Any]) -> bool:
    kind = entry.get("kty") == "EC" and entry.get("crv") == CURVE
    purpose = entry.get("alg", ALGORITHM) == ALGORITHM and entry.get("use", "sig") == "sig"
    return kind and purpose and isinstance(entry.get("kid"), str) and "d" not in entry


async def verify(token: str, keys: KeySet) -> Caller:
    """Return who `token` speaks for.

    Raises:
        UnauthenticatedError: `llm.no_token`, `llm.malformed_token`, `llm.algorithm`, `llm.unknown_key`, `llm.expired`,
            `llm.refused_token`.
        UnavailableError: `llm.no_keys`.
    """
    if not token:
        raise UnauthenticatedError("llm.no_token", "the call carries no token", HINT)
    if len(token) > TOKEN_BYTES:
        raise UnauthenticatedError("llm.malformed_token", "the token is too long", HINT)
    key = await keys.get(_key_id(token))
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=LEEWAY_S,
            options={"require": list(REQUIRED), "strict_aud": True},
        )
    except jwt.ExpiredSignatureError as error:
        raise UnauthenticatedError("llm.expired", "the token has expired", HINT) from error
    except jwt.PyJWTError as error:
        raise UnauthenticatedError("llm.refused_token", f"the token is refused: {error}", HINT) from error
    return _caller(claims)


def _key_id(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise UnauthenticatedError("llm.malformed_token", "the token is no signed JWT", HINT) from error
    if header.get("alg") != ALGORITHM:
        raise UnauthenticatedError("llm.algorithm", f"tokens are signed with {ALGORITHM} only", HINT)
    key_id = header.get("kid")
    if not isinstance(key_id, str):
        raise UnauthenticatedError("llm.unknown_key", "the token names no key", HINT)
    return key_id


def _caller(claims: Mapping[str, Any]) -> Caller:
    named = [claims.get(name) for name in ("organization", "organization_uuid", "jti", "execution_id")]
    organization, uuid, token_id, execution = [one if isinstance(one, str) and one else None for one in named]
    if organization is None or uuid is None or token_id is None:
        raise UnauthenticatedError("llm.refused_token", "the token names no organisation, or not itself", HINT)
    return Caller(organization=organization, organization_uuid=uuid, token_id=token_id, execution=execution)


def fetch_from(url: str, client: httpx.AsyncClient) -> Fetch:
    """Return a fetch of `url` with a deadline of FETCH_DEADLINE_S over all of it."""

    async def fetch() -> bytes:
        async with asyncio.timeout(FETCH_DEADLINE_S):
            response = await client.get(url)
        return response.raise_for_status().content

    return fetch
