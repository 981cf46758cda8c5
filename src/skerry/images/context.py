"""A build context: everything a Containerfile may use, with modes that depend on nothing but the content.

Contract: the folder holds Containerfile, debs/, bin/, wheels/, tools/, files/ and the checkout's folders named in
`copies`, each only when the definition asks for it. Modes are 0755 for folders and executables and 0644 or 0444 for
the rest, whatever the umask and the checkout say.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from skerry.images import debian, golang, wheels
from skerry.images.inputs import BUILD_LOCK, is_executable, walk

if TYPE_CHECKING:
    from pathlib import Path

    from skerry.images.definition import Definition
    from skerry.images.inputs import Inputs

FOLDER_MODE = 0o755
PROGRAM_MODE = 0o755
FILE_MODE = 0o644
INSTALLER = "uv"


def make_context(inputs: Inputs, one: Definition, into: Path) -> None:
    """Fill the empty folder `into`; nothing is fetched.

    Raises:
        NotFoundError: `images.not_fetched`, `golang.not_fetched`.
        IntegrityError: `images.blob_damaged`.
        ProcessError: `images.step_failed` when a program does not compile.
    """
    copy_tree(one.containerfile, into / "Containerfile")
    for path, place in inputs.trees(one).items():
        copy_tree(place, into / path)
    debian.collect(one, inputs.cache, into / "debs")
    if one.python:
        checkout = inputs.catalogue.checkout
        wheels.collect(checkout.root / one.python, inputs.cache, into / "wheels")
        (into / "wheels" / wheels.REQUIREMENTS).chmod(FILE_MODE)
        installer = wheels.program(checkout.requirements / BUILD_LOCK, inputs.cache, INSTALLER)
        _place(installer, into / "tools" / INSTALLER, PROGRAM_MODE)
    if one.go:
        built = golang.build(one.folder, inputs.cache)
        for program in one.go:
            _place(built / program.output, into / "bin" / program.output, PROGRAM_MODE)
    for folder in (into, *(place for place in into.rglob("*") if place.is_dir() and not place.is_symlink())):
        folder.chmod(FOLDER_MODE)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a file, or the part of a tree that belongs to an image, with modes of ours."""
    if source.is_file():
        _place(source, target, PROGRAM_MODE if is_executable(source) else FILE_MODE)
        return
    target.mkdir(parents=True, exist_ok=True)
    for place in walk(source):
        copy = target / place.relative_to(source)
        if place.is_symlink():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(place.readlink())
        else:
            _place(place, copy, PROGRAM_MODE if is_executable(place) else FILE_MODE)


def _place(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)
