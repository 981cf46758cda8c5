"""The SBOM of a built image: what its own files prove it is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from skerry.base.canonical import digest_of, sha256_file
from skerry.base.errors import IntegrityError
from skerry.base.paths import write_atomic
from skerry.bundle import licences, sbom
from skerry.images import foreign, golang, parts
from skerry.images.parts import LICENCES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skerry.images.definition import Catalogue, Definition
    from skerry.images.inputs import Inputs

# Where a program may lie in an image; looking through the rest of the root would take longer than building it.
PROGRAM_FOLDERS = ("usr/bin", "usr/sbin", "usr/local/bin", "usr/lib", "opt")


def parts_digest(catalogue: Catalogue) -> str:
    """Return the digest of what an SBOM depends on besides the image: what people said of parts, and the code."""
    modules = (foreign, parts, sbom, licences)
    files = [catalogue.checkout.images / LICENCES, *(Path(str(module.__file__)) for module in modules)]
    carried = {one.name: [[vars(part) for part in one.parts], one.own_code] for one in catalogue.order}
    return digest_of([[sha256_file(file) for file in files], carried])


def write_sbom(inputs: Inputs, one: Definition, *, root: Path, image_id: str, target: Path) -> None:
    """Write the CycloneDX document of an image.

    Args:
        inputs: the catalogue and cache it was built with.
        one: its definition.
        root: its root file system, mounted.
        image_id: its digest.
        target: where the document goes, replaced atomically.

    Raises:
        IntegrityError: `sbom.no_licence` names every part without a licence; `sbom.no_program`, `sbom.no_build_info`,
            and as `foreign.carried_parts`.
    """
    release = inputs.catalogue.release
    overrides = parts.read_overrides(inputs.catalogue.checkout.images / LICENCES)
    found = parts.deb_parts(root, distribution=f"debian-{release.suite}", overrides=overrides)
    found += parts.wheel_parts(root, overrides=overrides)
    binaries = list(find_programs(inputs, one, root))
    if binaries:
        found += parts.go_parts(
            binaries,
            go=golang.toolchain(inputs.cache) / "bin" / "go",
            modcache=golang.module_cache(inputs.cache),
            overrides=overrides,
        )
    for ancestor in inputs.catalogue.lineage(one.name):
        if ancestor.go:
            found += foreign.carried_parts(inputs.catalogue, ancestor, inputs.cache)
    subject = sbom.Subject(one.name, one.version, one.licence, release.epoch, image_id)
    document = sbom.make_sbom(subject, found)
    write_atomic(target, json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")


def find_programs(inputs: Inputs, one: Definition, root: Path) -> Iterator[Path]:
    """Yield the Go programs of an image and its parents, as they lie in its root file system.

    Raises:
        IntegrityError: `sbom.no_program` when one that was built is not in the image.
    """
    for ancestor in inputs.catalogue.lineage(one.name):
        for program in ancestor.go:
            places = [place for folder in PROGRAM_FOLDERS for place in (root / folder).rglob(program.output)]
            files = [place for place in places if place.is_file() and not place.is_symlink()]
            if not files:
                raise IntegrityError(
                    "sbom.no_program",
                    f"image {one.name} does not contain {program.output}",
                    f"copy it in images/{ancestor.name}/Containerfile, or take it out of image.toml",
                )
            yield from files
