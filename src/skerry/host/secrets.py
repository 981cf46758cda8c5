"""The host's secrets: made once, kept in files only root reads, handed to podman, handed over again when they change.

Contract: values never leave through arguments, environment, labels, logs or error messages. A secret's version is a
digest of its value with a salt of this host, so that a label with it tells nothing.
"""

from __future__ import annotations

import base64
import os
import secrets as random_source
from typing import TYPE_CHECKING

from skerry.base.canonical import sha256_hex
from skerry.base.errors import InvalidInputError, PreconditionError
from skerry.base.paths import write_atomic
from skerry.host.podman import LABEL_VERSION
from skerry.host.state import PRIVATE_FILE
from skerry.stack.plan import podman_name
from skerry.stack.render_podman import create_secret
from skerry.stack.secrets import POOL_MARK
from skerry.stack.template import fill

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from skerry.host.podman import Podman
    from skerry.host.state import State
    from skerry.stack.plan import Plan
    from skerry.stack.secrets import Secret

SALT = ".salt"
SALT_BYTES = 32
VERSION_CHARS = 16


def make_secrets(plan: Plan, state: State, *, root: Path) -> dict[str, Path]:
    """Make what is missing, render what is rendered, and return the file of every secret by its name.

    Args:
        plan: which secrets there are, which pools, which site.
        state: where they are kept.
        root: the checkout, for templates.

    Raises:
        PreconditionError: `host.secret_missing` when the key of an enrolled pool is gone; it cannot be made again.
        InvalidInputError: `stack.bad_template`, `stack.unknown_variable`.
    """
    found: dict[str, Path] = {}
    by_kind = sorted(plan.appliance.secrets.values(), key=lambda secret: (secret.kind != "random", secret.name))
    for secret in by_kind:
        if secret.kind == "random":
            found[secret.name] = _make_random(secret, state)
        elif secret.kind == "rendered":
            found[secret.name] = _render(secret, state, root=root, values={"site_name": plan.site.name})
        else:
            for pool in plan.pools:
                name = secret.name.replace(POOL_MARK, pool.queue_id)
                found[name] = _want_enrolled(name, state)
    return found


def store_secret(name: str, value: bytes, state: State) -> Path:
    """Keep a value that somebody else made: a worker pool's key."""
    path = state.secrets / name
    write_atomic(path, value, mode=PRIVATE_FILE)
    return path


def hand_over(files: Mapping[str, Path], plan: Plan, state: State, podman: Podman) -> dict[str, str]:
    """Bring podman's secrets to the values in `files`; return the version of each by its name in podman.

    A secret whose value changed is made again; containers hold copies, so those that use it must be made again too,
    which is why its version is part of their digest. Secrets of ours that nobody asks for any more are removed.
    """
    salt = _salt(state)
    wanted = {
        podman_name(name, plan.site): (path, sha256_hex(salt + path.read_bytes())[:VERSION_CHARS])
        for name, path in files.items()
    }
    there = podman.secrets()
    stale = [name for name, version in there.items() if name not in wanted or wanted[name][1] != version]
    if stale:
        podman.run(["secret", "rm", *sorted(stale)])
    for name, (path, version) in sorted(wanted.items()):
        if name not in there or name in stale:
            podman.run(create_secret(name, path, labels={**podman.labels, LABEL_VERSION: version}))
    return {name: version for name, (_, version) in wanted.items()}


def _make_random(secret: Secret, state: State) -> Path:
    path = state.secrets / secret.name
    if not path.exists():
        raw = random_source.token_bytes(secret.bytes)
        text = raw.hex() if secret.encoding == "hex" else base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        write_atomic(path, f"{secret.prefix}{text}".encode(), mode=PRIVATE_FILE)
    return path


def _render(secret: Secret, state: State, *, root: Path, values: Mapping[str, str]) -> Path:
    held = {name: (state.secrets / name).read_text() for name in secret.holds}
    text = fill((root / secret.template).read_text(), {**values, **held}, where=secret.template)
    path = state.secrets / secret.name
    if not path.exists() or path.read_text() != text:
        write_atomic(path, text.encode(), mode=PRIVATE_FILE)
    return path


def _want_enrolled(name: str, state: State) -> Path:
    path = state.secrets / name
    if not path.exists():
        raise PreconditionError(
            "host.secret_missing", f"the key of a worker pool is gone: {path}", "enrol the pool again"
        )
    return path


def _salt(state: State) -> bytes:
    path = state.secrets / SALT
    if not path.exists():
        write_atomic(path, os.urandom(SALT_BYTES), mode=PRIVATE_FILE)
    salt = path.read_bytes()
    if len(salt) != SALT_BYTES:
        raise InvalidInputError(
            "host.bad_state", f"{path} is damaged", "delete the file: secrets are handed over again"
        )
    return salt
