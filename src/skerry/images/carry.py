"""Every locked input as one file: `make inputs` writes it, a machine without a network builds from it.

Contract: a tar in the ustar-compatible PAX form, entries sorted, times and owners zero, so that the same locks give
the same bytes:

    store/sha256/<digest>                        packages and wheels, each hashed when it is read back
    gomod/cache/download/<module>/@v/<version>.* modules as the proxy gave them; go holds them to go.sum when it
    unpacks them
    unlocked/<image>/<digest of a lock>.lock     what replaced lost Debian packages; it makes the same images
                                                 `unlocked` there as here

A build from it needs besides what `make tools` installs and the environment of scripts/venv.
Source: Go modules reference, "Module cache".
"""

from __future__ import annotations

import re
import shutil
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from skerry.base.errors import IntegrityError, InvalidInputError, NotFoundError
from skerry.images import debian, golang, wheels
from skerry.images.inputs import BUILD_LOCK
from skerry.images.parts import escape_module
from skerry.images.store import DIGEST, Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from skerry.images.definition import Definition
    from skerry.images.inputs import Inputs

STORE_PREFIX = "store/sha256"
MODULES_PREFIX = "gomod/cache/download"
MODULE_SUFFIXES = (".info", ".mod", ".zip")
GO_LOCK = "go.txt"
WEIGHTS_LOCK = "weights.txt"
REPLACEMENT = re.compile(r"unlocked/[a-z0-9-]+/[0-9a-f]{64}\.lock")
MODE = 0o644
FETCH = "run: skerry images fetch"


def locked_blobs(inputs: Inputs, chosen: Sequence[Definition]) -> dict[str, str]:
    """Return every digest that a lock of the definitions names, with the name of its file."""
    found = {package.sha256: package.file for one in chosen for package in debian.blobs(one, inputs.cache)}
    checkout = inputs.catalogue.checkout
    locks = {checkout.root / one.python for one in chosen if one.python}
    if locks:
        locks.add(checkout.requirements / BUILD_LOCK)
    if any(one.go for one in chosen):
        locks.add(checkout.requirements / GO_LOCK)
    return found | {wheel.digest: wheel.file for lock in locks for wheel in wheels.read_wheels(lock)}


def weights_blobs(inputs: Inputs) -> dict[str, str]:
    """Return the same of the published model weights that the build converts; a checkout may have none."""
    lock = inputs.catalogue.checkout.requirements / WEIGHTS_LOCK
    wanted = wheels.read_wheels(lock) if wheels.lock_of(lock).is_file() else ()
    return {wheel.digest: wheel.file for wheel in wanted}


def module_files(inputs: Inputs, chosen: Sequence[Definition]) -> dict[str, Path]:
    """Return the fetched files of every module that a go.sum of the definitions names: name in the tar -> place.

    Raises:
        NotFoundError: `golang.not_fetched`: an archive is missing that a program is compiled from.
    """
    root = golang.module_cache(inputs.cache)
    found = {}
    for one in chosen:
        if not one.go:
            continue
        for module, version in _modules((one.folder / "go.sum").read_text()):
            stem = root / "cache/download" / escape_module(module) / "@v" / escape_module(version)
            for suffix in MODULE_SUFFIXES:
                place = stem.with_name(f"{stem.name}{suffix}")
                if place.is_file():
                    found[f"gomod/{place.relative_to(root)}"] = place
        for place in golang.archives(one.folder, inputs.cache):
            if f"gomod/{place.relative_to(root)}" not in found:
                raise NotFoundError("golang.not_fetched", f"{place.name} of {place.parent} is gone", FETCH)
    return found


def replacements(inputs: Inputs, chosen: Sequence[Definition]) -> dict[str, Path]:
    """Return the locks that stand for lost Debian packages here: name in the tar -> place."""
    files = [debian.replacement(one, inputs.cache) for one in chosen]
    return {str(file.relative_to(inputs.cache)): file for file in files if file is not None}


def _modules(sums: str) -> Iterator[tuple[str, str]]:
    for line in sums.splitlines():
        words = line.split()
        if words:
            yield words[0], words[1].removesuffix("/go.mod")


def choose(inputs: Inputs, names: Iterable[str]) -> list[Definition]:
    """Return the definitions that the named images (all when none is named) are made from, compilers included."""
    catalogue = inputs.catalogue
    found = {one.name for name in names for one in catalogue.lineage(name)}
    if any(program.cgo for name in found for program in catalogue.get(name).go):
        found |= {one.name for one in catalogue.lineage(debian.BUILDROOT)}
    return [one for one in catalogue.order if not found or one.name in found]


def export_inputs(inputs: Inputs, target: Path, names: Iterable[str] = ()) -> int:
    """Write every locked input into `target`, replaced when complete, and return how many files it holds.

    Args:
        inputs: the checkout and the cache.
        target: the file.
        names: images whose inputs are wanted; all when none is named, and then the weights of models, too.

    Raises:
        NotFoundError: `images.not_fetched`, `golang.not_fetched`.
        IntegrityError: `images.blob_damaged`.
    """
    named = list(names)
    store, chosen = Store(inputs.cache), choose(inputs, named)
    blobs = locked_blobs(inputs, chosen) | ({} if named else weights_blobs(inputs))
    entries = {f"{STORE_PREFIX}/{digest}": store.want(digest, name) for digest, name in blobs.items()}
    entries |= module_files(inputs, chosen) | replacements(inputs, chosen)
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
    if safe and REPLACEMENT.fullmatch(entry.name):
        return cache / entry.name
    if safe and entry.name.startswith(f"{MODULES_PREFIX}/") and entry.name.endswith(MODULE_SUFFIXES):
        return cache / entry.name
    raise _refused(entry)


def _refused(entry: tarfile.TarInfo) -> InvalidInputError:
    return InvalidInputError("images.inputs_entry", f"{entry.name!r} does not belong there", "export the inputs again")
