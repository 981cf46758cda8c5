"""image.toml and release.toml: what is read, and every refusal with its code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.images.checkouts import add_image, make_checkout

from skerry.base.errors import InvalidInputError, NotFoundError
from skerry.base.paths import find_checkout
from skerry.images.definition import CarriedPart, GoBinary, load_catalogue

if TYPE_CHECKING:
    from pathlib import Path

PART = """parent = "scratch"
[[parts]]
purl = "pkg:github/a/b"
module = "example.org/m"
trees = ["t"]
licence = "MIT"
read = "LICENSE"
"""
BASE = 'parent = "scratch"\ndebs = ["dash"]\n'


def test_a_catalogue_is_in_building_order(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, aleaf='parent = "middle"\n', middle='parent = "root"\n', root=BASE)
    add_image(checkout, "parts", 'parent = "root"\ndebs = ["gcc"]\n', containerfile=False)
    catalogue = load_catalogue(checkout)
    assert [one.name for one in catalogue.order] == ["root", "middle", "parts", "aleaf"]
    assert [one.name for one in catalogue.images] == ["root", "middle", "aleaf"]
    assert [one.name for one in catalogue.lineage("aleaf")] == ["root", "middle", "aleaf"]


def test_the_whole_of_a_definition(tmp_path: Path) -> None:
    text = """parent = "scratch"
third_party = false
debs = ["a", "b"]
leave_out = ["c"]
python = "requirements/x.txt"
copies = ["src"]
[[go]]
package = "example.org/p"
output = "p"
cgo = true
stamps = ["example.org/p.V=1"]
"""
    catalogue = load_catalogue(make_checkout(tmp_path, one=text))
    one = catalogue.get("one")
    assert (one.debs, one.leave_out, one.python, one.copies) == (("a", "b"), ("c",), "requirements/x.txt", ("src",))
    assert one.go == (GoBinary("example.org/p", "p", cgo=True, stamps=("example.org/p.V=1",)),)
    assert not one.third_party
    assert catalogue.uid(one) == 0


def test_a_part_that_a_module_carries(tmp_path: Path) -> None:
    text = PART.replace("[[parts]]", 'own_code = ["example.org/m/own"]\n[[parts]]') + 'version = "1"\n'
    one = load_catalogue(make_checkout(tmp_path, one=text)).get("one")
    assert one.parts == (CarriedPart("pkg:github/a/b", "example.org/m", ("t",), "MIT", "LICENSE", version="1"),)
    assert one.own_code == ("example.org/m/own",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('parent = "scratch"\ndebz = []\n', "unknown key debz"),
        ('parent = "scratch"\ndebs = "one"\n', "debs must be a list"),
        ('parent = "scratch"\npython = 3\n', "python must be a str"),
        ('parent = "scratch"\nthird_party = "yes"\n', "third_party must be a bool"),
        ("debs = []\n", "parent is missing"),
        ('parent = "nobody"\n', "the parent 'nobody' does not exist"),
        ('parent = "one"\n', "in a circle: one -> one"),
        ('parent = "scratch"\n[[go]]\npackage = "p"\n', "needs package and output"),
        ('parent = "scratch"\n[[go]]\npackage = "p"\noutput = "o"\nflags = []\n', "unknown key flags"),
        (PART + "flags = []\n", "unknown key flags"),
        (PART.replace('read = "LICENSE"\n', ""), "needs purl, module, trees, licence and read"),
        (PART.replace('"MIT"', "1"), "every key but trees is a string"),
        (PART.replace('["t"]', '"t"'), "trees must be a list"),
        (PART.replace('["t"]', "[]"), "give trees"),
        (PART.replace("a/b", "a/b@1"), "no package URL without a version"),
        (PART + 'version_in = "VERSION"\n', "version or both version_in and version_like"),
        (PART + 'version = "1"\nversion_in = "V"\nversion_like = "(.*)"\n', "version or both"),
    ],
)
def test_refusals_name_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        load_catalogue(make_checkout(tmp_path, one=text))
    assert raised.value.code == "images.definition"
    assert "images/one/image.toml" in raised.value.message
    assert said in raised.value.message


def test_an_unknown_user_is_refused(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, one=BASE)
    file = checkout.images / "one" / "image.toml"
    file.write_text(file.read_text().replace('user = "root"', 'user = "three"'))
    with pytest.raises(InvalidInputError, match="'three' is no key"):
        load_catalogue(checkout)


def test_a_number_is_the_users(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, one=BASE)
    file = checkout.images / "one" / "image.toml"
    file.write_text(file.read_text().replace('user = "root"', 'user = "two"'))
    catalogue = load_catalogue(checkout)
    assert catalogue.uid(catalogue.get("one")) == 2102


def test_an_image_without_version_or_licence_is_refused(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, one=BASE)
    file = checkout.images / "one" / "image.toml"
    file.write_text(file.read_text().replace('licence = "MIT"\n', ""))
    with pytest.raises(InvalidInputError, match="licence is missing"):
        load_catalogue(checkout)


def test_an_incomplete_release_is_refused(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, one=BASE)
    checkout.release.write_text('[product]\nversion = "1"\n')
    with pytest.raises(InvalidInputError) as raised:
        load_catalogue(checkout)
    assert raised.value.code == "images.release"


def test_an_unknown_image_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as raised:
        load_catalogue(make_checkout(tmp_path, one=BASE)).get("two")
    assert raised.value.code == "images.unknown"
    assert "one" in raised.value.hint


def test_the_product_s_own_definitions_are_valid() -> None:
    catalogue = load_catalogue(find_checkout())
    assert {"base", "postgres", "valkey"} <= {one.name for one in catalogue.images}
    parents = {one.parent for one in catalogue.order}
    assert [one.name for one in catalogue.images if one.user == "root" and one.name not in parents] == []
