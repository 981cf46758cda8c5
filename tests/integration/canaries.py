"""Every secret of a running stack, in the forms in which it could leak.

They are random and this stack's own, so each is its own canary: found anywhere but in its file, in podman's store or
with whom it was made for, it has leaked.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from skerry.client.context import FILE_NAME, read_context
from skerry.host.edge import CA_PATH, edge_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.integration.stack import Stack

LEAST_CHARS = 16
PASSWORD = re.compile(r"password, shown once: (\S+)")


def canaries(stack: Stack) -> dict[bytes, str]:
    """Return every form of every secret, with its name."""
    found: dict[bytes, str] = {}
    for name, value in secrets_of(stack):
        assert len(value) >= LEAST_CHARS, name
        raw = bytes.fromhex(value.decode()) if re.fullmatch(rb"([0-9a-f]{2})+", value) else b""
        found |= {form: f"{name}{told}" for form, told in forms_of(value)}
        found |= {form: f"the bytes of {name}{told}" for form, told in forms_of(raw) if raw}
    return found


def forms_of(value: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield a value as it is, and as base64 and hexadecimal write it."""
    yield value, ""
    # The last characters depend on what follows.
    yield base64.b64encode(value).rstrip(b"=")[:-1], " in base64"
    yield base64.urlsafe_b64encode(value).rstrip(b"=")[:-1], " in base64url"
    yield value.hex().encode(), " in hexadecimal"


def secrets_of(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Yield name and value of every secret that is not made of others."""
    rendered = {secret.name for secret in stack.plan.appliance.secrets.values() if secret.kind == "rendered"}
    for path in stack.state.secrets.iterdir():
        if path.name not in rendered and not path.name.startswith("."):
            yield path.name, path.read_bytes().strip()
    yield "the administrator's key", read_context(stack.state.root / FILE_NAME).key.encode()
    password = PASSWORD.search(stack.bootstrapped.stdout)
    assert password is not None
    yield "the administrator's password", password[1].encode()
    kid, private = stack.signing_key
    yield from private_forms(f"the signing key {kid}", private)
    for path in authority_keys(stack):
        authority = load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(authority, ec.EllipticCurvePrivateKey)
        yield from private_forms(f"the edge's {path.name}", authority)


def private_forms(name: str, key: ec.EllipticCurvePrivateKey) -> Iterator[tuple[str, bytes]]:
    """Yield the number that is the key, and the lines that hold it in both kinds of PEM file."""
    number = key.private_numbers().private_value
    yield name, number.to_bytes((key.key_size + 7) // 8)
    for told, kind in (("PKCS #8", PrivateFormat.PKCS8), ("SEC 1", PrivateFormat.TraditionalOpenSSL)):
        yield f"{name} as {told}", key.private_bytes(Encoding.PEM, kind, NoEncryption()).splitlines()[1]


def authority_keys(stack: Stack) -> list[Path]:
    """Return the files of the private keys of the edge's internal CA."""
    edge = edge_of(stack.plan)
    assert edge is not None
    for volume in edge.volumes:
        place = stack.podman.run(["volume", "inspect", "--format={{.Mountpoint}}", volume.name]).stdout.strip()
        found = sorted((Path(place) / CA_PATH).parent.glob("*.key"))
        if found:
            return found
    raise AssertionError("the edge has no CA of its own")


def leaks(data: bytes, wanted: Mapping[bytes, str], *, place: str) -> list[str]:
    """Return what of `wanted` is in `data`."""
    return [f"{name} in {place}" for value, name in wanted.items() if value in data]


def assert_no_secret(stack: Stack, text: str, *, place: str) -> None:
    """Fail when what a command printed holds a secret."""
    assert leaks(text.encode(), canaries(stack), place=place) == []
