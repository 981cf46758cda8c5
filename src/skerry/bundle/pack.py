"""The model pack: what the job `models` loads from. Weights and Modelfiles of a catalogue, and one list of them.

Contract: a folder with nothing else in it but `models.list` and the files that it names, at the paths the catalogue
gives them. A line of the list is one model, five fields between tabs:

    Ollama's name, weights, their SHA-256, Modelfile, its SHA-256

so that the job reads no TOML and holds every byte that it loads to a digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.base.canonical import sha256_file
from skerry.base.catalog import read_models
from skerry.base.errors import IntegrityError, NotFoundError
from skerry.base.paths import weights_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from skerry.base.paths import Checkout

LIST: Final = "models.list"


def pack_models(checkout: Checkout, cache: Path) -> Mapping[str, Path | bytes]:
    """Return the files of the pack by path: where each lies now, or its bytes.

    Args:
        checkout: whose catalogue.
        cache: where weights lie that the build makes.

    Raises:
        InvalidInputError: `model.catalog`.
        NotFoundError: `models.not_made` for weights or a Modelfile that are not there.
        IntegrityError: `models.digest_differs`.
    """
    files: dict[str, Path | bytes] = {}
    lines = []
    for model in read_models(checkout.catalog):
        weights = weights_file(cache, model.sha256) if model.recipe else checkout.models / model.file
        modelfile = checkout.models / model.modelfile
        for place in (weights, modelfile):
            if not place.is_file():
                raise NotFoundError("models.not_made", f"{model.id}: {place} is missing", "run: make models")
        if sha256_file(weights) != model.sha256:
            raise IntegrityError(
                "models.digest_differs",
                f"{model.id}: {weights} has not the digest of the catalogue",
                "run: make models, if the build makes it; if not, see who changed the file or the catalogue",
            )
        files |= {model.file: weights, model.modelfile: modelfile}
        lines.append("\t".join((model.ollama_name, model.file, model.sha256, model.modelfile, sha256_file(modelfile))))
    return {**files, LIST: "".join(f"{line}\n" for line in lines).encode()}
