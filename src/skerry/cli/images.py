"""`skerry images`: lock, fetch, build and look at what the product is made of."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from skerry.base import clock
from skerry.base.errors import NotFoundError
from skerry.base.paths import default_cache, find_checkout
from skerry.base.progress import Progress
from skerry.images import carry, debian, golang, pylock, recipe, reproduce, sizes
from skerry.images.definition import load_catalogue
from skerry.images.inputs import Inputs
from skerry.weights import build as weights

app = typer.Typer(help="Build the images: lock, fetch by digest, build without a network.", no_args_is_help=True)
inputs_app = typer.Typer(help="Carry every locked input as one file.", no_args_is_help=True)
app.add_typer(inputs_app, name="inputs")

MIB = 1 << 20
SHORT = 12
Names = Annotated[
    list[str] | None, typer.Argument(help="Images; their parents come with them. All when none is named.")
]


def _inputs() -> Inputs:
    return Inputs(load_catalogue(find_checkout()), default_cache())


@app.command("lock")
def lock(names: Names = None) -> None:
    """Resolve lock files anew (network): all, or what belongs to the named images."""
    inputs, progress = _inputs(), Progress()
    if not names:
        with progress.step("lock Python packages"):
            pylock.relock(inputs.catalogue.checkout, inputs.cache)
    changes = debian.lock(inputs.catalogue, names or [], inputs.cache, progress=progress)
    for one in inputs.catalogue.order:
        if one.go and (not names or one.name in names):
            with progress.step(f"lock Go modules of {one.name}"):
                changes += golang.lock(one.folder, inputs.cache, today=clock.now().date())
    print("\n".join(changes) or "no Debian package and no Go module changed")


@app.command("fetch")
def fetch(names: Names = None) -> None:
    """Fetch everything the locks name into the store (network)."""
    inputs, progress = _inputs(), Progress()
    changes = recipe.fetch(inputs, names or [], progress=progress)
    if not names:
        with progress.step("fetch model weights"):
            weights.fetch(inputs.catalogue.checkout, inputs.cache)
    for line in changes:
        print(f"replaced a lost package: {line}")


@app.command("build")
def build(
    names: Names = None,
    locked: Annotated[bool, typer.Option(help="Refuse what differs from offline-bundle/digests.lock.")] = False,
    lock_digests: Annotated[bool, typer.Option(help="Write what was built into offline-bundle/digests.lock.")] = False,
) -> None:
    """Bring images up to date: fetch what is missing, then build without a network."""
    inputs, progress = _inputs(), Progress()
    results = recipe.build(inputs, names or [], progress=progress)
    if lock_digests and recipe.lock_digests(inputs, results):
        print("offline-bundle/digests.lock written")
    if locked:
        recipe.want_locked(inputs, results)
    for line in recipe.differing_from_lock(inputs, results):
        progress.say(f"warning: not as locked: {line}")
    for result in results:
        mark = "  UNLOCKED" if result.unlocked else ""
        print(f"{result.reference}  {result.image_id[:SHORT]}{mark}")


@app.command("list")
def list_images() -> None:
    """List every image, and whether it is built from the inputs as they are now."""
    inputs = _inputs()
    for one in inputs.catalogue.images:
        record = recipe.read_record(inputs, one.name)
        state = "not built" if record is None else record.image_id[:SHORT] + (" unlocked" if record.unlocked else "")
        print(f"{one.name:<20} {one.version:<10} {inputs.reference(one.name):<56} {state}")


@app.command("sizes")
def show_sizes(names: Names = None) -> None:
    """Measure images, uncompressed and as gzip; what they share counts once in the sum."""
    inputs, progress = _inputs(), Progress()
    results = recipe.build(inputs, names or [], progress=progress)
    with progress.step("compress every layer once"):
        measured = sizes.measure(results, inputs.cache)
    print(f"{'MiB':<20} {'gzip':>8} {'unpacked':>9} {'own gzip':>9}")
    for one in measured:
        own = one.layers[-1].compressed
        print(f"{one.name:<20} {one.compressed / MIB:>8.1f} {one.uncompressed / MIB:>9.1f} {own / MIB:>9.1f}")
    whole = sizes.together(measured)
    print(f"{'together':<20} {whole.compressed / MIB:>8.1f} {whole.uncompressed / MIB:>9.1f}")


@app.command("tool")
def show_tool(
    image: Annotated[str, typer.Argument(help="An image with Go programs.")],
    program: Annotated[str, typer.Argument(help="One of them.")],
) -> None:
    """Print the path of a program that an image is made from, compiling it first where that is needed."""
    inputs = _inputs()
    one = inputs.catalogue.get(image)
    golang.fetch(one.folder, inputs.cache)
    place = golang.build(one.folder, inputs.cache) / program
    if not place.is_file():
        known = ", ".join(item.output for item in one.go) or "none"
        raise NotFoundError("images.no_program", f"{image} has no program {program!r}", f"it has: {known}")
    print(place)


@inputs_app.command("export")
def export_inputs(file: Annotated[Path, typer.Argument(help="The tar file to write.")], names: Names = None) -> None:
    """Write every locked input into one file; the same locks give the same bytes."""
    inputs, progress = _inputs(), Progress()
    recipe.fetch(inputs, names or [], progress=progress)
    if not names:
        weights.fetch(inputs.catalogue.checkout, inputs.cache)
    with progress.step(f"export to {file}"):
        count = carry.export_inputs(inputs, file.absolute(), names or [])
    print(f"{count} files, {file.stat().st_size / MIB:.0f} MiB: {file}")


@inputs_app.command("import")
def import_inputs(file: Annotated[Path, typer.Argument(help="What `export` wrote.")]) -> None:
    """Read exported inputs into the store, so that a machine without a network can build.

    Besides these it needs what `make tools` installs, and the environment that scripts/venv makes.
    """
    with Progress().step(f"import {file}"):
        count = carry.import_inputs(default_cache(), file)
    print(f"{count} new files")


@app.command("reproduce")
def reproduce_images(
    names: Names = None,
    times: Annotated[int, typer.Option(help="How often to build again; 1 compares with what is built.")] = 2,
    work: Annotated[Path | None, typer.Option(help="Folder to build in; the temporary folder by default.")] = None,
) -> None:
    """Build again in other places, from nothing but the fetched inputs, and compare every digest."""
    folder = work or Path(tempfile.gettempdir())
    compared = reproduce.reproduce(_inputs(), names or [], work=folder, times=times, progress=Progress())
    for one in compared:
        places = "  ".join(f"{place} {digest[:SHORT]}" for place, digest in one.digests.items())
        print(f"{'same' if one.same else 'DIFFERENT':<10} {one.what:<32} {places}")
    reproduce.want_same(compared)
