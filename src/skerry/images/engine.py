"""buildah and podman's image storage, as far as images are made and looked at; every build step runs without a network.

Contract: nothing here pulls. Working containers of ours are known by their names (`skerry-build-...`) or by the image
of ours they stand on, and only those are ever removed.
Source: buildah-build(1), buildah-commit(1) of 1.28 to 1.39.
"""

from __future__ import annotations

import json
import re
import resource
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skerry.base import process
from skerry.images.steps import run_logged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Without a network; and told to end when we are killed, so that no build of a dead process goes on.
ALONE = ("setpriv", "--pdeathsig", "TERM", "--", "unshare", "--net", "--")
OWN_CONTAINER = "skerry-build-"
AUTOMATIC_NAME = re.compile(r"-working-container(-\d+)?$")  # what buildah calls the containers of a build
LABEL = "org.skerry.image"
DEADLINE_S = 900.0
FILES_MOST = 20_000
PROCESSES_MOST = 32_768


def stored_images() -> dict[str, str]:
    """Return the images of ours in the storage: reference -> id (64 hexadecimal characters)."""
    said = process.run(["buildah", "images", "--json", "--no-trunc", "--filter", f"label={LABEL}"]).stdout
    found = json.loads(said or "[]") or []
    return {name: image["id"].removeprefix("sha256:") for image in found for name in image.get("names") or []}


def limits() -> list[str]:
    """Return options that keep build steps within our own limits; buildah's default raises them, which not all may.

    buildah first lowers itself to its defaults (32768 processes): more than those would be a raise again.
    """
    files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], FILES_MOST)
    processes = min(resource.getrlimit(resource.RLIMIT_NPROC)[1], PROCESSES_MOST)
    return [f"--ulimit=nofile={files}:{files}", f"--ulimit=nproc={processes}:{processes}"]


def build(context: Path, *, reference: str, options: Mapping[str, str], labels: Mapping[str, str], log: Path) -> None:
    """Build a Containerfile and name the result.

    Args:
        context: the folder with Containerfile and everything it copies.
        reference: name and tag.
        options: build arguments; SKERRY_EPOCH is also every file's time.
        labels: image labels.
        log: receives what buildah says.

    Raises:
        ProcessError: `images.step_failed`.
    """
    run_logged(
        [
            *(*ALONE, "buildah", "build", "--isolation=chroot", "--layers=false", "--pull=never", "--no-cache"),
            *limits(),
            *("--format=oci", "--identity-label=false", "--omit-history", f"--timestamp={options['SKERRY_EPOCH']}"),
            *(f"--build-arg={key}={value}" for key, value in options.items()),
            *(f"--label={key}={value}" for key, value in labels.items()),
            *(f"--tag={reference}", f"--file={context / 'Containerfile'}", str(context)),
        ],
        log=log,
        deadline_s=DEADLINE_S,
    )


def build_from_root(  # noqa: PLR0913  the parts of an image, each on its own
    root: Path,
    *,
    name: str,
    reference: str,
    epoch: int,
    environment: Mapping[str, str],
    labels: Mapping[str, str],
    log: Path,
) -> None:
    """Make an image of one layer from a tar of a root file system.

    Raises:
        ProcessError: `images.step_failed`.
    """
    container = f"{OWN_CONTAINER}{name}"
    steps = [
        ["from", f"--name={container}", "scratch"],
        ["add", container, str(root), "/"],
        [
            "config",
            *(f"--env={key}={value}" for key, value in environment.items()),
            *(f"--label={key}={value}" for key, value in labels.items()),
            container,
        ],
        [
            *("commit", "--rm", "--format=oci", "--identity-label=false", "--omit-history", f"--timestamp={epoch}"),
            *(container, reference),
        ],
    ]
    for step in steps:
        run_logged([*ALONE, "buildah", *step], log=log, deadline_s=DEADLINE_S)


@contextmanager
def mounted(reference: str, *, name: str) -> Iterator[Path]:
    """Give the root file system of an image, for reading only."""
    container = f"{OWN_CONTAINER}{name}"
    process.run(["buildah", "from", "--pull=never", f"--name={container}", reference])
    try:
        yield Path(process.run(["buildah", "mount", container]).stdout.strip())
    finally:
        process.run(["buildah", "rm", container], check=False)


def inspect(reference: str) -> Any:
    """Return an image's OCI configuration (OCI image specification, config.json).

    Raises:
        ProcessError: `process.failed` when there is no such image.
    """
    said = process.run(["buildah", "inspect", "--type=image", "--format={{.Config}}", reference]).stdout
    return json.loads(said)


def remove_leftovers() -> list[str]:
    """Remove working containers that an interrupted build of ours left, and return their names."""
    said = process.run(["buildah", "containers", "--json", "--notruncate"]).stdout
    ours = set(stored_images().values())
    left = [
        one["containername"]
        for one in json.loads(said or "[]") or []
        if one["containername"].startswith(OWN_CONTAINER)
        or (one["imageid"] in ours and AUTOMATIC_NAME.search(one["containername"]) is not None)
    ]
    for name in left:
        process.run(["buildah", "rm", name], check=False)
    return left


def remove_image(reference: str) -> bool:
    """Take a name from an image, and the image itself when it was the last; False when it is in use and stays."""
    return process.run(["buildah", "rmi", reference], check=False).status == 0
