"""Which image a test runs: the one that this checkout's inputs give, and no other."""

from __future__ import annotations

import json
import os

from skerry.base.process import run
from skerry.images.recipe import image_reference

NEWEST = "SKERRY_TEST_NEWEST_IMAGES"
"""Set while images are worked on: take the newest one built, also when its inputs have changed since."""


def built_image(name: str) -> str:
    """Return the reference of a built image; an assertion fails when it is not built."""
    wanted = image_reference(name)
    if run(["podman", "image", "exists", wanted], check=False).status == 0:
        return wanted
    if os.environ.get(NEWEST):  # noqa: TID251  a switch of the test's own
        repository = wanted.rpartition(":")[0]
        said = run(["podman", "images", "--format=json", f"--filter=reference={repository}"]).stdout
        found = [image["Names"][0] for image in json.loads(said) if image.get("Names")]
        if found:
            return str(found[0])
    raise AssertionError(f"{wanted} is not built: make images")
