"""The recipe: inputs digest, fetch everything, then build without network, parents first, and record each result.

Contract: an image is built when no record says that the storage holds it for these inputs. A record is written after
the commit, by a rename, so an interrupted build is simply done again. Two builds on one machine wait for each other.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skerry.base import clock, process
from skerry.base.canonical import sha256_file
from skerry.base.errors import IntegrityError, PreconditionError
from skerry.base.paths import default_cache, find_checkout, write_atomic
from skerry.images import debian, digests, engine, golang, wheels
from skerry.images.context import make_context
from skerry.images.definition import SCRATCH, load_catalogue
from skerry.images.evidence import find_programs, parts_digest, write_sbom
from skerry.images.inputs import BASE_ENVIRONMENT, BUILD_LOCK, REPOSITORY, Inputs, labels
from skerry.images.steps import exclusive, scratch
from skerry.images.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from skerry.base.progress import Progress
    from skerry.images.definition import Definition

DIGESTS_TABLE = "images"
KEPT_IMAGES = 2  # of each name: what runs and what it replaced
# One lock for the storage, which all checkouts and caches of a machine share.
STORAGE_LOCK = Path("/run/lock/skerry-images.lock")
PROGRAMS = {
    "apt-get": "apt",
    "buildah": "buildah",
    "dpkg-deb": "dpkg",
    "mmdebstrap": "mmdebstrap",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}


@dataclass(frozen=True)
class Result:
    """One built image.

    Args:
        name: the image's name.
        reference: its name in the storage.
        image_id: digest of its configuration, which is its identity: it does not depend on compression.
        inputs: digest of what it was made from.
        sbom: its CycloneDX document.
        parts: digest of what the SBOM's licences were judged by.
        unlocked: made with replacements of lost packages (its own, its compiler's), or on a parent that was.
        programs: digest of each Go program in it, by `name/program`.
        seconds: time the build took, rounded up.
    """

    name: str
    reference: str
    image_id: str
    inputs: str
    sbom: str
    parts: str
    unlocked: bool
    programs: dict[str, str]
    seconds: int


def image_reference(name: str) -> str:
    """Return the name that an image of this checkout has in the storage, built or not.

    Raises:
        NotFoundError: `images.unknown`, `images.not_locked`.
    """
    return Inputs(load_catalogue(find_checkout()), default_cache()).reference(name)


def check_tools() -> None:
    """Raise when this machine cannot build.

    Raises:
        PreconditionError: `images.not_root`, `process.missing_program`.
    """
    if os.geteuid() != 0:
        raise PreconditionError(
            "images.not_root", "images are built by root: their files have owners", "run it with sudo"
        )
    for program, package in PROGRAMS.items():
        process.want_program(program, hint=f"install the package {package}")


def with_parents(inputs: Inputs, names: Iterable[str]) -> list[Definition]:
    """Return the definitions of the named images (all when none is named) and their parents, parents first."""
    catalogue = inputs.catalogue
    wanted = {one.name for name in names for one in catalogue.lineage(name)}
    return [one for one in catalogue.images if not wanted or one.name in wanted]


def fetch(inputs: Inputs, names: Sequence[str], *, progress: Progress) -> list[str]:
    """Fetch what the named images (all when none is named) are made of into the cache (network).

    Returns the differences where lost Debian packages were replaced, as lines.

    Raises:
        as `debian.fetch`, `wheels.fetch`, `golang.fetch`.
    """
    todo = with_parents(inputs, names)
    roots = [one.name for one in todo if one.debs]
    if any(program.cgo for one in todo for program in one.go):
        roots.append(debian.BUILDROOT)
    changes = debian.fetch(inputs.catalogue, roots, inputs.cache, progress=progress)
    checkout = inputs.catalogue.checkout
    locks = {checkout.root / one.python for one in todo if one.python}
    if locks:
        locks.add(checkout.requirements / BUILD_LOCK)
    for lock in sorted(lock for lock in locks if not _has_wheels(lock, inputs.cache)):
        with progress.step(f"fetch wheels of {lock.name}"):
            wheels.fetch(lock, inputs.cache)
    for one in todo:
        if one.go:
            with progress.step(f"fetch Go modules of {one.name}"):
                golang.fetch(one.folder, inputs.cache)
    return changes


def _has_wheels(lock: Path, cache: Path) -> bool:
    return all(Store(cache).has(wheel.digest) for wheel in wheels.read_wheels(lock))


def build(inputs: Inputs, names: Sequence[str], *, progress: Progress, lock: Path = STORAGE_LOCK) -> list[Result]:
    """Bring the named images (all when none is named) and their parents up to date, and return them, parents first.

    What is missing is fetched first; then everything is built without a network. `lock` keeps builds into one storage
    apart.

    Raises:
        PreconditionError: `images.not_root`, `process.missing_program`: nothing has been touched.
        ProcessError: `images.step_failed` with the end of the step's log and its path.
        IntegrityError: `images.wrong_user`, and what verifying fetched parts finds.
    """
    check_tools()
    todo = with_parents(inputs, names)
    debian.check_layers(inputs.catalogue, todo, inputs.cache)
    done = {one.name: read_record(inputs, one.name) for one in todo}
    if all(record is not None for record in done.values()) and _all_stored(done.values()):
        return [record for record in done.values() if record is not None]
    with exclusive(lock, waiting=lambda: progress.say("another build is running: waiting for it")):
        engine.remove_leftovers()
        changes = fetch(inputs, [one.name for one in todo], progress=progress)
        for line in changes:
            progress.say(f"warning: replaced a lost package: {line}")
        inputs = Inputs(inputs.catalogue, inputs.cache)  # replacements change what images are made from
        results = [_up_to_date(inputs, one) or _build_one(inputs, one, progress=progress) for one in todo]
        _remove_old(inputs, results, progress=progress)
    return results


def differing_from_lock(inputs: Inputs, results: Sequence[Result]) -> list[str]:
    """Return a line for each third-party image or Go program that is not what offline-bundle/digests.lock says."""
    checkout = inputs.catalogue.checkout
    images, programs = digests.read_table(checkout, DIGESTS_TABLE), digests.read_table(checkout, golang.DIGESTS_TABLE)
    lines = []
    for result in results:
        one = inputs.catalogue.get(result.name)
        if one.third_party and images.get(one.name) != result.image_id:
            lines.append(f"image {one.name}: locked {images.get(one.name, 'never')}, built {result.image_id}")
        lines += [
            f"program {name}: locked {programs.get(name, 'never')}, built {digest}"
            for name, digest in result.programs.items()
            if programs.get(name) != digest
        ]
    return lines


def want_locked(inputs: Inputs, results: Sequence[Result]) -> None:
    """Refuse what a release may not be made of.

    Raises:
        IntegrityError: `images.unlocked` (replacements of lost packages), `images.digest_differs`.
    """
    unlocked = [result.name for result in results if result.unlocked]
    if unlocked:
        raise IntegrityError(
            "images.unlocked",
            f"made with replacements of lost Debian packages: {', '.join(unlocked)}",
            "lock them anew (skerry images lock), review the difference, then build the release",
        )
    lines = differing_from_lock(inputs, results)
    if lines:
        raise IntegrityError(
            "images.digest_differs",
            f"not what offline-bundle/digests.lock says: {'; '.join(lines)}",
            "run: skerry images build --lock-digests, if inputs were changed; if not, one machine cannot be trusted",
        )


def lock_digests(inputs: Inputs, results: Sequence[Result]) -> bool:
    """Write the digests of built third-party images and Go programs into the lock; False when they stand there already.

    Raises:
        IntegrityError: `images.unlocked`: replacements are not what the locks say.
    """
    if any(result.unlocked for result in results):
        want_locked(inputs, results)
    found = {one.name: one.image_id for one in results if inputs.catalogue.get(one.name).third_party}
    kept = digests.read_table(inputs.catalogue.checkout, DIGESTS_TABLE)
    current = {name: digest for name, digest in kept.items() if name in inputs.catalogue.definitions}
    changed = digests.update_table(inputs.catalogue.checkout, DIGESTS_TABLE, {**current, **found})
    for result in results:
        if result.programs:
            changed |= digests.update_table(
                inputs.catalogue.checkout, golang.DIGESTS_TABLE, result.programs, replacing=f"{result.name}/"
            )
    return changed


def _all_stored(records: Iterable[Result | None]) -> bool:
    stored = engine.stored_images()
    return all(record is not None and stored.get(record.reference) == record.image_id for record in records)


def _up_to_date(inputs: Inputs, one: Definition) -> Result | None:
    record = read_record(inputs, one.name)
    return record if record is not None and _all_stored([record]) else None


def record_folder(cache: Path, name: str) -> Path:
    """Return where the records and SBOMs of an image lie."""
    return cache / "images" / name


def read_record(inputs: Inputs, name: str) -> Result | None:
    """Return what was recorded when these very inputs were built; None when never, or when the SBOM is out of date."""
    file = record_folder(inputs.cache, name) / f"{inputs.digest(name)}.json"
    if not file.is_file():
        return None
    try:
        record = Result(**json.loads(file.read_text()))
    except TypeError:  # written by another version of this program
        return None
    current = record.parts == parts_digest(inputs.catalogue) and Path(record.sbom).is_file()
    return record if current else None


def _build_one(inputs: Inputs, one: Definition, *, progress: Progress) -> Result:
    start = clock.monotonic()
    reference = inputs.reference(one.name)
    with progress.step(f"build {one.name}"):
        if reference not in engine.stored_images():
            _make_image(inputs, one, reference)
        image_id = engine.stored_images()[reference]
        sbom = record_folder(inputs.cache, one.name) / f"{inputs.digest(one.name)}.cdx.json"
        try:
            _check_user(inputs, one, reference)
            with engine.mounted(reference, name=one.name) as root:
                write_sbom(inputs, one, root=root, image_id=image_id, target=sbom)
                programs = {f"{one.name}/{file.name}": sha256_file(file) for file in find_programs(inputs, one, root)}
        except IntegrityError:
            engine.remove_image(reference)  # nobody shall start what was refused
            raise
    result = Result(
        name=one.name,
        reference=reference,
        image_id=image_id,
        inputs=inputs.digest(one.name),
        sbom=str(sbom),
        parts=parts_digest(inputs.catalogue),
        unlocked=is_unlocked(inputs, one.name),
        programs=programs,
        seconds=int(clock.monotonic() - start) + 1,
    )
    write_atomic(sbom.with_name(f"{result.inputs}.json"), json.dumps(asdict(result), indent=1).encode())
    return result


def is_unlocked(inputs: Inputs, name: str) -> bool:
    """Say whether an image, one it stands on, or a compiler of theirs is made with replacements of lost packages."""
    lineage = inputs.catalogue.lineage(name)
    return any(debian.is_unlocked(one, inputs.cache) or unlocked_programs(inputs, one) for one in lineage)


def unlocked_programs(inputs: Inputs, one: Definition) -> set[str]:
    """Return an image's Go programs, as `image/program`, made by another C compiler or headers than locked."""
    linked = {f"{one.name}/{program.output}" for program in one.go if program.cgo}
    if not linked:
        return set()
    roots = inputs.catalogue.lineage(debian.BUILDROOT)
    return linked if any(debian.is_unlocked(root, inputs.cache) for root in roots) else set()


def _make_image(inputs: Inputs, one: Definition, reference: str) -> None:
    release = inputs.catalogue.release
    log = inputs.cache / "log" / f"image-{one.name}.log"
    with scratch(f"{one.name}.", parent=_contexts(inputs.cache)) as folder:
        if one.parent == SCRATCH:
            root = folder / "root.tar"
            debian.make_root(inputs.catalogue, one.name, inputs.cache, root)
            engine.build_from_root(
                root,
                name=one.name,
                reference=reference,
                epoch=release.epoch,
                environment=dict(BASE_ENVIRONMENT),
                labels=labels(one),
                log=log,
            )
            return
        make_context(inputs, one, folder)
        options = {
            "SKERRY_PARENT": inputs.reference(one.parent),
            "SKERRY_UID": str(inputs.catalogue.uid(one)),
            "SKERRY_VERSION": one.version,
            "SKERRY_EPOCH": str(release.epoch),
        }
        engine.build(folder, reference=reference, options=options, labels=labels(one), log=log)


def _contexts(cache: Path) -> Path:
    folder = cache / "contexts"
    if folder.exists():  # we hold the lock: whatever lies here was left by an interrupted build
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def _check_user(inputs: Inputs, one: Definition, reference: str) -> None:
    uid = inputs.catalogue.uid(one)
    found = engine.inspect(reference).get("config", {}).get("User", "")
    if uid != 0 and found != str(uid):
        raise IntegrityError(
            "images.wrong_user",
            f"images/{one.name} runs as {found or 'root'!r}, release.toml says {uid}",
            "end its Containerfile with: USER ${SKERRY_UID}",
        )


def _remove_old(inputs: Inputs, results: Sequence[Result], *, progress: Progress) -> None:
    """Remove images of ours beyond the newest KEPT_IMAGES of each name; one that is in use stays."""
    stored = engine.stored_images()
    for result in results:
        records = sorted(
            record_folder(inputs.cache, result.name).glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True
        )
        records = [file for file in records if not file.name.endswith(".cdx.json")]
        kept = {json.loads(file.read_text())["reference"] for file in records[:KEPT_IMAGES]} | {result.reference}
        old = [one for one in stored if one.startswith(f"{REPOSITORY}/{result.name}:") and one not in kept]
        for reference in filter(engine.remove_image, old):
            progress.say(f"  removed {reference}")
        for file in records[KEPT_IMAGES:]:
            file.with_suffix(".cdx.json").unlink(missing_ok=True)
            file.unlink()
