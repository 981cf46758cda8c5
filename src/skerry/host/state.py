"""What a local stack keeps on disk, and the lock that lets one command at a time change it.

<root>/lock              held (flock) by the command that changes things; the kernel frees it when that ends
<root>/site.toml         the site's name
<root>/secrets/          0700; one file per secret, 0600
<root>/pools/            one file per enrolled worker pool
<root>/passwords/        0700; an administrator's first password, 0600, where `skerry bootstrap` was told not to show it
<root>/files/<digest>/   configuration as containers mount it
<root>/hosts/            one hosts file per container
<root>/containers.conf   podman's settings, only on hosts that need any
<root>/ca.crt            the edge's root certificate, for people
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skerry.base.errors import PreconditionError
from skerry.base.paths import write_atomic
from skerry.stack.parse import Place, parse, read_toml
from skerry.stack.plan import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_ROOT = Path("/var/lib/skerry/local")
PRIVATE_FOLDER = 0o700
OPEN_FOLDER = 0o755
PRIVATE_FILE = 0o600


@dataclass(frozen=True)
class State:
    """Paths below one state root."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def site(self) -> Path:
        return self.root / "site.toml"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def pools(self) -> Path:
        return self.root / "pools"

    @property
    def passwords(self) -> Path:
        return self.root / "passwords"

    @property
    def files(self) -> Path:
        return self.root / "files"

    @property
    def hosts(self) -> Path:
        return self.root / "hosts"

    @property
    def containers_conf(self) -> Path:
        return self.root / "containers.conf"

    @property
    def ca_certificate(self) -> Path:
        return self.root / "ca.crt"

    def make_folders(self) -> None:
        """Make every folder with its mode; nothing happens to those that are there."""
        self.root.mkdir(parents=True, exist_ok=True)
        # A umask may have closed it; containers' users have to get to files/ and hosts/.
        self.root.chmod(OPEN_FOLDER)
        for folder, mode in (
            (self.secrets, PRIVATE_FOLDER),
            (self.pools, PRIVATE_FOLDER),
            (self.files, OPEN_FOLDER),
            (self.hosts, OPEN_FOLDER),
        ):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)

    @contextmanager
    def locked(self, purpose: str) -> Iterator[None]:
        """Hold the lock while the block runs.

        Raises:
            PreconditionError: `host.busy` when another command holds it; its process id and purpose are named.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.read(handle, 200).decode(errors="replace").strip() or "another command"
                raise PreconditionError(
                    "host.busy", f"{holder} is changing this stack", "wait until it has ended, then try again"
                ) from error
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"`skerry {purpose}` (process {os.getpid()})".encode(), 0)
            yield
        finally:
            os.close(handle)

    def load_site(self) -> Site:
        """Return the site that was stored, or the default one.

        Raises:
            InvalidInputError: `stack.bad_site`, and those of stack.parse, when the file is damaged.
        """
        if not self.site.exists():
            return Site()
        return parse(Site, read_toml(self.site, name=str(self.site)), Place(str(self.site)))

    def store_site(self, site: Site) -> None:
        """Keep the site for later commands."""
        text = "".join(f'{key} = "{getattr(site, key)}"\n' for key in ("name", "prefix", "addresses"))
        write_atomic(self.site, text.encode())
