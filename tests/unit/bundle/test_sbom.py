"""bundle.sbom: a document that CycloneDX accepts, the same for the same parts, refused without a licence."""

from __future__ import annotations

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from skerry.base.canonical import canonical_json
from skerry.base.errors import IntegrityError
from skerry.bundle.sbom import Part, Subject, make_sbom

SUBJECT = Subject("opa", "1.21.3", "Apache-2.0", 1793491200, "ab" * 32)
PARTS = [
    Part("pypi", "PyJWT", "2.15.1", ("MIT",)),
    Part("golang", "github.com/BurntSushi/toml", "v1.5.0", ("MIT", "own-words")),
    Part("deb", "libc6", "2.41-12+deb13u1", ("LGPL-2.1-or-later",), (("arch", "amd64"), ("distro", "debian-13"))),
    Part("pypi", "cryptography", "46.0", ("Apache-2.0 OR BSD-3-Clause",)),
]


def test_the_schema_accepts_it() -> None:
    text = json.dumps(make_sbom(SUBJECT, PARTS))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_schema_check_can_fail() -> None:
    broken = make_sbom(SUBJECT, PARTS) | {"specVersion": "1.6", "components": [{"type": "nonsense"}]}
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(broken)) is not None


def test_order_and_repeats_of_parts_do_not_matter() -> None:
    one = canonical_json(make_sbom(SUBJECT, PARTS))
    assert one == canonical_json(make_sbom(SUBJECT, [*reversed(PARTS), PARTS[0]]))


def test_purls() -> None:
    assert PARTS[0].purl == "pkg:pypi/pyjwt@2.15.1"
    assert PARTS[1].purl == "pkg:golang/github.com/BurntSushi/toml@v1.5.0"
    assert PARTS[2].purl == "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64&distro=debian-13"


def test_a_part_without_licence_is_refused_by_name() -> None:
    with pytest.raises(IntegrityError) as raised:
        make_sbom(SUBJECT, [*PARTS, Part("golang", "example.test/bare", "v1.0.0")])
    assert raised.value.code == "sbom.no_licence"
    assert "example.test/bare" in raised.value.message
