"""The parts list of an image, as a CycloneDX 1.6 document. Same parts, same bytes.

Source: CycloneDX 1.6 JSON (ECMA-424); package URLs after the purl specification.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from skerry.base import clock
from skerry.base.canonical import digest_of
from skerry.base.errors import IntegrityError
from skerry.bundle.licences import KNOWN_SPDX, is_expression

SPEC_VERSION: Final = "1.6"
_NAMESPACE: Final = uuid.UUID("5b2bd7c6-2f5c-5f0e-9a34-0c7a3d1f8e21")


@dataclass(frozen=True, order=True)
class Part:
    """One thing that ships inside an image.

    Attributes:
        kind: `deb`, `golang`, `pypi` or `generic`: the purl type.
        name: the package's own name (for Go the module path).
        version: the package's own version.
        licences: SPDX identifiers or expressions, or the upstream's own name where SPDX has none; never empty in a
            finished list.
        qualifiers: purl qualifiers such as ("arch", "amd64").
        source: where it comes from when the purl does not say it.
    """

    kind: str
    name: str
    version: str
    licences: tuple[str, ...] = ()
    qualifiers: tuple[tuple[str, str], ...] = ()
    source: str = ""

    @property
    def purl(self) -> str:
        namespace = "debian/" if self.kind == "deb" else ""
        path = quote(self.name.lower() if self.kind == "pypi" else self.name, safe="/")
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in sorted(self.qualifiers))
        version = f"@{quote(self.version, safe='')}" if self.version else ""
        return f"pkg:{self.kind}/{namespace}{path}{version}" + (f"?{query}" if query else "")


@dataclass(frozen=True)
class Subject:
    """The image that the list is about; `epoch` (seconds) is the time written into it."""

    name: str
    version: str
    licence: str
    epoch: int
    image_id: str = ""
    notes: tuple[str, ...] = field(default=())


def want_licences(parts: list[Part], *, image: str) -> None:
    """Refuse a list in which a part has no licence.

    Raises:
        IntegrityError: `sbom.no_licence`, naming every such part.
    """
    bare = sorted(f"{part.kind} {part.name} {part.version}".strip() for part in parts if not part.licences)
    if bare:
        raise IntegrityError(
            "sbom.no_licence",
            f"image {image}: no licence known for {', '.join(bare)}",
            "read the part's source and add the licence, with where it was read, to images/licences.toml",
        )


def make_sbom(subject: Subject, parts: list[Part]) -> dict[str, Any]:
    """Return the CycloneDX document of an image: its parts sorted, one component a part, licences on each.

    Raises:
        IntegrityError: `sbom.no_licence`.
    """
    want_licences(parts, image=subject.name)
    components = [_component(part) for part in sorted(set(parts))]
    serial = uuid.uuid5(_NAMESPACE, digest_of([subject.name, subject.version, subject.image_id, components]))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": clock.rfc3339(datetime.fromtimestamp(subject.epoch, UTC)),
            "component": {
                "type": "container",
                "bom-ref": f"image:{subject.name}",
                "name": f"skerry/{subject.name}",
                "version": subject.version,
                "licenses": _licences((subject.licence,)),
                **({"hashes": [{"alg": "SHA-256", "content": subject.image_id}]} if subject.image_id else {}),
            },
            "properties": [{"name": "skerry:note", "value": note} for note in subject.notes],
        },
        "components": components,
        "dependencies": [
            {"ref": f"image:{subject.name}", "dependsOn": sorted(item["bom-ref"] for item in components)},
        ],
    }


def _component(part: Part) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "purl": part.purl,
        "licenses": _licences(part.licences),
    }
    if part.source:
        made["externalReferences"] = [{"type": "distribution", "url": part.source}]
    return made


def _licences(licences: tuple[str, ...]) -> list[dict[str, Any]]:
    """CycloneDX takes one expression, or a list of licences by id (SPDX's closed list) or name."""
    if len(licences) == 1 and " " in licences[0] and is_expression(licences[0]):
        return [{"expression": licences[0]}]
    return [{"license": {"id" if text in KNOWN_SPDX else "name": text}} for text in sorted(set(licences))]
