"""Paths of things on disk, written once.

Three roots: the checkout (data the product is made from), the cache (anything that can be made again, keyed by
digest) and the state (what a running stack must keep). None of them lies inside another.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from skerry.base.errors import PreconditionError


@dataclass(frozen=True)
class Checkout:
    """The repository, or an installed copy of its data folders."""

    root: Path

    @property
    def release(self) -> Path:
        return self.root / "appliance" / "release.toml"

    @property
    def services(self) -> Path:
        return self.root / "appliance" / "services"

    @property
    def secrets(self) -> Path:
        return self.root / "appliance" / "secrets.toml"

    @property
    def config(self) -> Path:
        return self.root / "appliance" / "config"

    @property
    def schema(self) -> Path:
        return self.root / "appliance" / "schema"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def requirements(self) -> Path:
        return self.root / "requirements"

    @property
    def policies(self) -> Path:
        return self.root / "policies"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def catalog(self) -> Path:
        return self.models / "catalog.toml"

    @property
    def digests_lock(self) -> Path:
        return self.root / "offline-bundle" / "digests.lock"


def find_checkout(start: Path | None = None) -> Checkout:
    """Return the checkout that holds `start` (this file when None).

    Raises:
        PreconditionError: `paths.no_checkout` when no parent has appliance/release.toml.
    """
    first = (start or Path(__file__)).resolve()
    for folder in (first, *first.parents):
        if (folder / "appliance" / "release.toml").is_file():
            return Checkout(folder)
    raise PreconditionError(
        "paths.no_checkout", f"no appliance/release.toml in or above {first}", "run this inside a checkout of Skerry"
    )


def default_cache(environment: dict[str, str] | None = None) -> Path:
    """Return the one cache folder: SKERRY_CACHE, else /var/cache/skerry for root, else the user's XDG cache."""
    variables = os.environ if environment is None else environment  # noqa: TID251  the one place
    if chosen := variables.get("SKERRY_CACHE"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/cache/skerry")
    return Path(variables.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skerry"


def weights_file(cache: Path, digest: str) -> Path:
    """Return where weights that the build makes lie: under the SHA-256 of their bytes."""
    return cache / "weights" / digest


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that readers see the old bytes or the new, never a part; the folder is made when it is missing.

    The bytes are on the disk (fsync) before the name points at them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
