"""Small checkouts to build from: a release.toml and images with as little in them as a test needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.base.paths import Checkout

if TYPE_CHECKING:
    from pathlib import Path

RELEASE = """
[product]
version = "0.1.0"
source_date_epoch = 1793491200
[debian]
suite = "trixie"
architecture = "amd64"
[uids]
one = 2101
two = 2102
"""
MINIMAL = 'user = "root"\nversion = "1"\nlicence = "MIT"\nsource = "a test"\n'


def make_checkout(root: Path, /, **images: str) -> Checkout:
    """Write a checkout; each image is the text of its image.toml after the common keys, which it may not repeat."""
    checkout = Checkout(root)
    checkout.release.parent.mkdir(parents=True)
    checkout.release.write_text(RELEASE)
    (checkout.images / "tools").mkdir(parents=True)
    (checkout.images / "tools" / "finish").write_text("#!/bin/sh\n")
    for name, text in images.items():
        add_image(checkout, name, text)
    return checkout


def add_image(checkout: Checkout, name: str, text: str, *, containerfile: bool = True) -> None:
    """Write one image."""
    folder = checkout.images / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "image.toml").write_text(MINIMAL + text)
    if containerfile and 'parent = "scratch"' not in text:
        (folder / "Containerfile").write_text("ARG SKERRY_PARENT\nFROM ${SKERRY_PARENT}\n")
