"""Build again from nothing, somewhere else, and compare: the proof that inputs decide the bytes.

Contract: a repetition has its own copy of the checkout with other file times and modes, under another path and umask,
its own cache with nothing in it but the fetched inputs, its own image storage, and no network at all. Digests are
compared with each other, with what this machine built before, and with offline-bundle/digests.lock.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skerry.base.errors import IntegrityError
from skerry.base.paths import default_cache, find_checkout, write_atomic
from skerry.base.progress import Progress
from skerry.images import digests, golang, recipe
from skerry.images.definition import load_catalogue
from skerry.images.inputs import Inputs, walk
from skerry.images.steps import run_logged, scratch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COPIED = ("appliance", "images", "offline-bundle", "policies", "requirements", "src")
# What a repetition may share with the cache it starts from: bytes that are held to a digest whenever they are used.
SHARED_INPUTS = ("store", "gomod")
DEADLINE_S = 7200.0
SECONDS_APART = 86_400 * 400
UMASKS = (0o077, 0o002)


@dataclass(frozen=True)
class Comparison:
    """One thing built more than once, `image NAME` or `program NAME/FILE`, and its digest by where it was built."""

    what: str
    digests: Mapping[str, str]

    @property
    def same(self) -> bool:
        return len(set(self.digests.values())) == 1


def reproduce(inputs: Inputs, names: Sequence[str], *, work: Path, times: int, progress: Progress) -> list[Comparison]:
    """Build the named images (all when none is named) `times` more times and compare every digest that is known.

    Args:
        inputs: the checkout and the cache whose fetched inputs are used.
        names: images; their parents come with them.
        work: an existing folder to build in; what this makes in it is removed.
        times: 1 compares with what was built before, 2 also with each other.
        progress: told about each build.

    Raises:
        NotFoundError: `images.not_fetched`.
        ProcessError: `images.step_failed` with the end of the repetition's log.
        PreconditionError: as `recipe.check_tools`.
    """
    recipe.check_tools()
    todo = recipe.with_parents(inputs, names)
    recipe.fetch(inputs, [one.name for one in todo], progress=progress)
    found = _known(inputs, [one.name for one in todo])
    for number in range(times):
        with scratch(f"again{number * 'x'}.", parent=work) as folder:
            with progress.step(f"build {len(todo)} images again in {folder}"):
                again = _build_again(inputs, [one.name for one in todo], folder, number=number)
            for what, digest in again.items():
                found.setdefault(what, {})[f"build {number + 1}"] = digest
    return [Comparison(what, places) for what, places in sorted(found.items()) if any("build" in key for key in places)]


def _known(inputs: Inputs, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return digests that exist already: the lock's for what is as locked, and what this machine built before."""
    found: dict[str, dict[str, str]] = {}
    checkout = inputs.catalogue.checkout
    images, programs = (
        digests.read_table(checkout, recipe.DIGESTS_TABLE),
        digests.read_table(checkout, golang.DIGESTS_TABLE),
    )
    for name in names:
        if name in images and not recipe.is_unlocked(inputs, name):
            found.setdefault(f"image {name}", {})["digests.lock"] = images[name]
        record = recipe.read_record(inputs, name)
        if record is not None:
            found.setdefault(f"image {name}", {})["this machine"] = record.image_id
    replaced = {program for name in names for program in recipe.unlocked_programs(inputs, inputs.catalogue.get(name))}
    for program, digest in programs.items():
        if program.split("/")[0] in names and program not in replaced:
            found.setdefault(f"program {program}", {})["digests.lock"] = digest
    return found


def want_same(compared: Sequence[Comparison]) -> None:
    """Refuse differences.

    Raises:
        IntegrityError: `images.not_reproducible`, naming everything that differs.
    """
    different = [one.what for one in compared if not one.same]
    if different:
        raise IntegrityError(
            "images.not_reproducible",
            f"built twice, two results: {', '.join(different)}",
            "compare the two images (diffoscope); times, paths and random numbers are the usual cause",
        )


def _build_again(inputs: Inputs, names: Sequence[str], folder: Path, *, number: int) -> dict[str, str]:
    checkout, cache, answer = folder / "another" / "place", folder / "cache", folder / "answer.json"
    _copy_checkout(inputs.catalogue.checkout.root, checkout, number=number)
    cache.mkdir()
    for name in SHARED_INPUTS:
        if (inputs.cache / name).exists():
            (cache / name).symlink_to((inputs.cache / name).resolve())
    storage = _write_storage_configuration(folder)
    plan = {"names": list(names), "answer": str(answer), "umask": UMASKS[number % len(UMASKS)]}
    plan["lock"] = str(folder / "lock")  # its storage is its own
    try:
        run_logged(
            # A mount namespace of its own, so that what buildah mounts in that storage goes with it.
            [
                *("setpriv", "--pdeathsig", "TERM", "--", "unshare", "--net", "--mount", "--"),
                *(sys.executable, "-m", "skerry.images.reproduce", json.dumps(plan)),
            ],
            cwd=checkout,
            env={
                "PYTHONPATH": str(checkout / "src"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "SKERRY_CACHE": str(cache),
                "CONTAINERS_STORAGE_CONF": str(storage),
                "TZ": ("Asia/Kathmandu", "America/St_Johns")[number % 2],
            },
            log=inputs.cache / "log" / f"reproduce-{number + 1}.log",
            deadline_s=DEADLINE_S,
        )
        found: dict[str, str] = json.loads(answer.read_text())
        return found
    finally:
        _remove_module_modes(folder)


def _copy_checkout(source: Path, target: Path, *, number: int) -> None:
    mode, folder_mode = ((0o600, 0o700), (0o664, 0o775))[number % 2]
    for name in COPIED:
        if not (source / name).is_dir():
            continue
        for place in walk(source / name):
            copy = target / place.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True, mode=folder_mode)
            shutil.copyfile(place, copy)
            copy.chmod(mode | (0o100 if place.stat().st_mode & 0o100 else 0))
            seconds = SECONDS_APART * (number + 1)
            os.utime(copy, (seconds, seconds))


def _write_storage_configuration(folder: Path) -> Path:
    file = folder / "storage.conf"
    file.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder / "storage"}"\nrunroot = "{folder / "run"}"\n'
    )
    return file


def _remove_module_modes(folder: Path) -> None:
    """Let everything under `folder` be removed: some tools write folders that even their owner may not change."""
    for place in folder.rglob("*"):
        if place.is_dir() and not place.is_symlink():
            place.chmod(0o755)


def again(plan: Mapping[str, Any]) -> None:
    """Build everything of a plan and write the digests; runs in the copy, with its own cache and storage."""
    os.umask(plan["umask"])
    checkout = find_checkout()
    inputs = Inputs(load_catalogue(checkout), default_cache())
    found = {}
    for result in recipe.build(inputs, plan["names"], progress=Progress(sys.stderr), lock=Path(plan["lock"])):
        found[f"image {result.name}"] = result.image_id
        found |= {f"program {name}": digest for name, digest in result.programs.items()}
    write_atomic(Path(plan["answer"]), json.dumps(found).encode())


if __name__ == "__main__":
    again(json.loads(sys.argv[1]))
