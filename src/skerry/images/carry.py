"""Every locked input as one file: `make inputs` writes it, a machine without a network builds from it.

Contract: a tar in the ustar-compatible PAX form, entries sorted, times and owners zero, so that the same locks give
the same bytes:

    store/sha256/<digest>                        packages and wheels, each hashed when it is read back
    gomod/cache/download/<module>/@v/<version>.* modules as the proxy gave them; go holds them to go.sum when it
    unpacks them

Source: Go modules reference, "Module cache".
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from skerry.base.errors import IntegrityError, InvalidInputError, NotFoundError
from skerry.images import debian, golang, pylock, wheels
from skerry.images.parts import escape_module
from skerry.images.store import DIGEST, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from skerry.images.inputs import Inputs

STORE_PREFIX = "store/sha256"
MODULES_PREFIX = "gomod/cache/download"
MODULE_SUFFIXES = (".info", ".mod", ".zip")
GO_LOCK = "go.txt"
MODE = 0o644


def locked_blobs(inputs: Inputs) -> dict[str, str]:
    """Return every digest that a lock of the checkout names, with the name of its file."""
    checkout = inputs.catalogue.checkout
    found = {
        package.sha256: package.file for one in inputs.catalogue.order for package in debian.blobs(one, inputs.cache)
    }
    for lock in (*(f"{one.name}.txt" for one in pylock.LOCKS if one.image), GO_LOCK):
        found |= {wheel.digest: wheel.file for wheel in wheels.read_wheels(checkout.requirements / lock)}
    return found


def module_files(inputs: Inputs) -> dict[str, Path]:
    """Return the fetched files of every module that a go.sum of the checkout names: name in the tar -> place."""
    download = golang.module_cache(inputs.cache) / "cache" / "download"
    found = {}
    for one in inputs.catalogue.order:
        if not one.go:
            continue
        for module, version in _modules((one.folder / "go.sum").read_text()):
            stem = f"{escape_module(module)}/@v/{escape_module(version)}"
            for suffix in MODULE_SUFFIXES:
                place = download / f"{stem}{suffix}"
                if place.is_file():
                    found[f"{MODULES_PREFIX}/{stem}{suffix}"] = place
    return found


def _modules(sums: str) -> Iterator[tuple[str, str]]:
    for line in sums.splitlines():
        words = line.split()
        if words:
            yield words[0], words[1].removesuffix("/go.mod")


def export_inputs(inputs: Inputs, target: Path) -> int:
    """Write every locked input into `target`, replaced when complete, and return how many files it holds.

    Raises:
        NotFoundError: `images.not_fetched`.
        IntegrityError: `images.blob_damaged`.
    """
    store = Store(inputs.cache)
    entries = {f"{STORE_PREFIX}/{digest}": store.want(digest, name) for digest, name in locked_blobs(inputs).items()}
    entries |= module_files(inputs)
    partial = target.with_name(f".{target.name}.partial")
    try:
        with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as archive:
            for name in sorted(entries):
                header = tarfile.TarInfo(name)
                header.size, header.mode = entries[name].stat().st_size, MODE
                with entries[name].open("rb") as stream:
                    archive.addfile(header, stream)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return len(entries)


def import_inputs(cache: Path, source: Path) -> int:
    """Read what `export_inputs` wrote into the cache and return how many files were new.

    Raises:
        NotFoundError: `images.no_inputs_file`. InvalidInputError: `images.inputs_entry` for a name or kind of entry
        that we do not write; what came before it is kept. IntegrityError: `images.blob_differs`, `images.inputs_file`
        when the file is no tar or ends early.
    """
    if not source.is_file():
        raise NotFoundError("images.no_inputs_file", f"{source} does not exist", "make it with: make inputs")
    store, new = Store(cache), 0
    try:
        with tarfile.open(source, "r:") as archive, store.incoming() as folder:
            for entry in archive:
                target = _target(entry, cache)
                if target.is_file():
                    continue
                arrived = folder / "entry"
                stream = archive.extractfile(entry)
                if stream is None:
                    raise _refused(entry)
                with stream, arrived.open("wb") as out:
                    shutil.copyfileobj(stream, out)
                target.parent.mkdir(parents=True, exist_ok=True)
                if target.parent == store.root:
                    store.put(arrived, target.name)
                else:
                    arrived.replace(target)
                new += 1
    except tarfile.TarError as error:
        raise IntegrityError("images.inputs_file", f"{source}: {error}", "copy or export it again") from error
    return new


def _target(entry: tarfile.TarInfo, cache: Path) -> Path:
    parts = PurePosixPath(entry.name).parts
    safe = entry.isreg() and not entry.name.startswith("/") and ".." not in parts
    if safe and entry.name.startswith(f"{STORE_PREFIX}/") and DIGEST.fullmatch(parts[-1]) and len(parts) == 3:  # noqa: PLR2004
        return cache / entry.name
    if safe and entry.name.startswith(f"{MODULES_PREFIX}/") and entry.name.endswith(MODULE_SUFFIXES):
        return cache / entry.name
    raise _refused(entry)


def _refused(entry: tarfile.TarInfo) -> InvalidInputError:
    return InvalidInputError("images.inputs_entry", f"{entry.name!r} does not belong there", "export the inputs again")
