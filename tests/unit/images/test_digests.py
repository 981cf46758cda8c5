"""offline-bundle/digests.lock: tables that are written one at a time and leave each other alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skerry.base.errors import InvalidInputError
from skerry.base.paths import Checkout
from skerry.images.digests import read_table, update_table

if TYPE_CHECKING:
    from pathlib import Path

ONE = "1" * 64
TWO = "2" * 64


def test_nothing_there_is_empty(tmp_path: Path) -> None:
    assert read_table(Checkout(tmp_path), "go") == {}


def test_a_table_is_written_sorted_and_read_back(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    assert update_table(checkout, "go", {"opa/opa": TWO, "caddy/caddy": ONE})
    assert read_table(checkout, "go") == {"caddy/caddy": ONE, "opa/opa": TWO}
    lines = checkout.digests_lock.read_text().splitlines()
    assert lines[-2:] == [f'"caddy/caddy" = "{ONE}"', f'"opa/opa" = "{TWO}"']


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    update_table(checkout, "go", {"opa/opa": ONE})
    assert not update_table(checkout, "go", {"opa/opa": ONE})


def test_the_other_table_and_its_comment_stay(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.digests_lock.parent.mkdir()
    images = f'# Third-party images.\n[images]\nbase = "{ONE}"\n'
    checkout.digests_lock.write_text(f'# top\n\n[go]\n"opa/opa" = "{ONE}"\n\n{images}')
    update_table(checkout, "go", {"opa/opa": TWO, "caddy/caddy": TWO})
    text = checkout.digests_lock.read_text()
    assert text.startswith('# top\n\n[go]\n"caddy/caddy"')
    assert text.endswith(f"\n\n{images}")
    update_table(checkout, "images", {"base": TWO})
    assert read_table(checkout, "go") == {"caddy/caddy": TWO, "opa/opa": TWO}
    assert read_table(checkout, "images") == {"base": TWO}


def test_what_one_component_no_longer_makes_goes(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    update_table(checkout, "go", {"minio/minio": ONE, "minio/mc": ONE, "opa/opa": ONE})
    update_table(checkout, "go", {"minio/minio": TWO}, replacing="minio/")
    assert read_table(checkout, "go") == {"minio/minio": TWO, "opa/opa": ONE}


def test_what_is_no_digest_is_refused(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.digests_lock.parent.mkdir()
    checkout.digests_lock.write_text('[go]\n"opa/opa" = "latest"\n')
    with pytest.raises(InvalidInputError) as caught:
        read_table(checkout, "go")
    assert caught.value.code == "images.digests_lock"
    assert "opa/opa" in caught.value.message
