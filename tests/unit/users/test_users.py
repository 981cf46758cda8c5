"""Addresses, slugs and passwords."""

from __future__ import annotations

import asyncio

import pytest

from skerry.base.errors import InvalidInputError
from skerry.organizations.service import check_slug
from skerry.users import passwords
from skerry.users.service import check_email


@pytest.mark.parametrize("email", ["a@b", "ada.lovelace+x@mail.acme.test", "\u00e4da@acme.test", "o'neil@a-b.test"])
def test_addresses_that_are_taken(email: str) -> None:
    check_email(email)


@pytest.mark.parametrize(
    "email",
    ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b c", "a@-b", "a@b.", "a\x00@b", "a\n@b", f"{'a' * 65}@b", "a@b\n"],
)
def test_addresses_that_are_not(email: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_email(email)
    assert caught.value.code == "user.email"


@pytest.mark.parametrize("slug", ["a", "0", "acme", "a-b", "a" * 63])
def test_slugs_that_are_taken(slug: str) -> None:
    check_slug(slug)


@pytest.mark.parametrize("slug", ["", "A", "-a", "a-", "a_b", "a.b", "a/b", "\u00e4", "a" * 64, "a\n", "a b"])
def test_slugs_that_are_not(slug: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_slug(slug)
    assert caught.value.code == "organization.slug"


def test_a_password_is_kept_as_argon2id_and_verifies() -> None:
    async def go() -> None:
        password = passwords.make_password()
        encoded = await passwords.hash_password(password)
        assert encoded.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
        assert password not in encoded
        assert await passwords.verify_password(password, encoded)
        assert not await passwords.verify_password(password + "x", encoded)
        assert not await passwords.verify_password(password, "no hash")

    asyncio.run(go())


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_a_password_of_a_wrong_length_is_refused(password: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        asyncio.run(passwords.hash_password(password))
    assert caught.value.code == "user.password"


def test_made_passwords_differ() -> None:
    assert len({passwords.make_password() for _ in range(100)}) == 100
