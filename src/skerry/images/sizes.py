"""How large images are, each and together: layers that several images share count once.

Contract: `compressed` is gzip as skopeo writes it into an OCI layout, `uncompressed` is the size of the layers' tars.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skerry.base import process
from skerry.images.steps import scratch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from skerry.images.recipe import Result

DEADLINE_S = 900.0


@dataclass(frozen=True)
class Layer:
    """One layer: digest of its compressed form, and both sizes in bytes."""

    digest: str
    compressed: int
    uncompressed: int


@dataclass(frozen=True)
class Size:
    """One image and its layers, the parents' first."""

    name: str
    layers: tuple[Layer, ...]

    @property
    def compressed(self) -> int:
        return sum(layer.compressed for layer in self.layers)

    @property
    def uncompressed(self) -> int:
        return sum(layer.uncompressed for layer in self.layers)


def measure(results: Iterable[Result], work: Path) -> list[Size]:
    """Compress every layer once, in a folder under `work` that is removed again, and return the sizes.

    Raises:
        ProcessError: `process.failed`.
        PreconditionError: `process.missing_program` (skopeo).
    """
    process.want_program("skopeo")
    work.mkdir(parents=True, exist_ok=True)
    with scratch("sizes.", parent=work) as layout:
        return [_measure_one(result, layout) for result in results]


def _measure_one(result: Result, layout: Path) -> Size:
    process.run(
        [
            *("skopeo", "copy", "--quiet", "--dest-compress", "--dest-compress-format=gzip"),
            *(f"containers-storage:{result.reference}", f"oci:{layout}:{result.name}"),
        ],
        deadline_s=DEADLINE_S,
    )
    index = json.loads((layout / "index.json").read_text())
    name = "org.opencontainers.image.ref.name"
    digest = next(one["digest"] for one in index["manifests"] if one.get("annotations", {}).get(name) == result.name)
    manifest = json.loads(_blob(layout, digest).read_text())
    return Size(result.name, tuple(_layer(layout, one) for one in manifest["layers"]))


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def _layer(layout: Path, described: dict[str, object]) -> Layer:
    digest, blob = str(described["digest"]), _blob(layout, str(described["digest"]))
    with blob.open("rb") as stream:
        stream.seek(
            -4, 2
        )  # RFC 1952: the last four bytes are the uncompressed size modulo 2**32; no layer is near that
        (uncompressed,) = struct.unpack("<I", stream.read(4))
    return Layer(digest, blob.stat().st_size, uncompressed)


def together(sizes: Iterable[Size]) -> Layer:
    """Return what all images take together, each layer counted once."""
    layers = {layer.digest: layer for size in sizes for layer in size.layers}.values()
    return Layer("", sum(one.compressed for one in layers), sum(one.uncompressed for one in layers))
