"""Makes an organisation and what it needs to work: `python -m skerry.bootstrap organization | pool-key`.

Contract: idempotent, and goes on where an earlier run stopped. A key or password is shown by the run that made it
and by no other; nothing stores its text. `skerry bootstrap` and `skerry workers enroll` run this in the API's
container.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skerry.auth.keys import KeyRing, parse_host_key
from skerry.auth.service import NewKey, issue_pool_key, issue_user_key
from skerry.auth.temporal import TemporalDoor
from skerry.auth.tokens import Issuer, Subject
from skerry.base import clock
from skerry.base.errors import SkerryError
from skerry.environments import service as environments
from skerry.kit import logs
from skerry.kit.db import Database
from skerry.kit.settings import load_settings
from skerry.organizations import namespaces
from skerry.organizations import service as organizations
from skerry.users import service as users

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy import RowMapping

    from skerry.kit.db import WriteSession
    from skerry.kit.settings import Settings

KEY_NAME = "bootstrap"


@dataclass(frozen=True)
class House:
    """What both commands use."""

    database: Database
    issuer: Issuer
    temporal: TemporalDoor


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[House]:
    """Open the house and close it again."""
    database = Database(settings, application="skerry-bootstrap")
    try:
        keys = KeyRing(database, host_key=parse_host_key(settings.secrets.bytes("host-key")))
        issuer = Issuer(keys, issuer=settings.issuer)
        yield House(database, issuer, TemporalDoor(settings, issuer, name="skerry-bootstrap"))
    finally:
        await database.close()


async def make_organization(house: House, *, slug: str, email: str, queue: str, new_key: bool) -> dict[str, Any]:
    """Make organisation, administrator, their first API key, default environment and queue, and the namespace.

    Returns what is there now; `api_key` is None unless this run made one, `administrator.password` likewise. They are
    made last, so that a run that stops before has made none that nobody saw.

    Raises:
        InvalidInputError: `organization.slug`, `user.email`.
        UnavailableError: `database.unavailable`, `temporal.unavailable`, `temporal.namespace`.
    """
    users.check_email(email)
    async with house.database.platform_transaction("bootstrap") as session:
        organization, made = await organizations.ensure(session, slug=slug, name=slug)
    organization_id = organization["organization_id"]
    namespace_made = await namespaces.ensure_namespace(house.temporal, organization_id)
    async with house.database.tenant_transaction(organization_id) as session:
        await organizations.note_namespace(session, organization_id)
        rows = await make_rows(house, session, organization, email=email, queue=queue, new_key=new_key)
    return {
        "organization": {"id": str(organization_id), "slug": slug, "made": made},
        **rows,
        "namespace": {"name": str(organization_id), "made": namespace_made},
    }


async def make_rows(  # noqa: PLR0913  what bootstrap asks for
    house: House, session: WriteSession, organization: RowMapping, *, email: str, queue: str, new_key: bool
) -> dict[str, Any]:
    """Make what an organisation holds, in its own transaction; the first administrator gets a key."""
    organization_id = organization["organization_id"]
    user, password = await users.ensure_administrator(session, organization_id, email=email)
    worker_queue = await environments.ensure_queue(session, organization_id, name=queue)
    key: NewKey | None = None
    if new_key or password is not None:
        key = await issue_user_key(session, house.issuer, subject_of(organization, user), user_id=user["id"])
    return {
        "administrator": {"id": str(user["id"]), "email": user["email"], "password": password},
        "api_key": shown(key),
        "environment": {"id": str(worker_queue["environment_id"])},
        "worker_queue": {"id": str(worker_queue["id"]), "name": worker_queue["name"]},
    }


async def make_pool_key(house: House, *, slug: str, queue: str) -> dict[str, Any]:
    """Make a key for a worker pool of the queue `queue` (its name) in the organisation `slug`.

    Raises:
        NotFoundError: `organization.not_found`, `worker_queue.not_found`.
        UnavailableError: `database.unavailable`.
    """
    async with house.database.platform_transaction("bootstrap") as session:
        organization = await organizations.get_by_slug(session, slug)
    organization_id = organization["organization_id"]
    async with house.database.tenant_transaction(organization_id) as session:
        worker_queue = await environments.get_queue(session, organization_id, queue)
        subject = Subject(
            kind="worker",
            subject=str(worker_queue["id"]),
            organization_id=organization_id,
            organization=slug,
            name=f"pool {queue}",
        )
        key = await issue_pool_key(session, house.issuer, subject, worker_queue_id=worker_queue["id"])
    return {
        "organization": {"id": str(organization_id), "slug": slug},
        "worker_queue": {"id": str(worker_queue["id"]), "name": queue},
        "pool_key": shown(key),
    }


def subject_of(organization: RowMapping, user: RowMapping) -> Subject:
    """Return whom an API key of `user` speaks for."""
    return Subject(
        kind="user",
        subject=str(user["id"]),
        organization_id=organization["organization_id"],
        organization=organization["slug"],
        name=KEY_NAME,
        email=user["email"],
    )


def shown(key: NewKey | None) -> dict[str, str] | None:
    """Return a key as the answer shows it."""
    if key is None:
        return None
    return {"id": str(key.token_id), "token": key.token, "expires_at": clock.rfc3339(key.expires_at)}


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m skerry.bootstrap", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    organization = commands.add_parser("organization", help="an organisation, its administrator and first key")
    organization.add_argument("--organization", required=True, metavar="SLUG")
    organization.add_argument("--admin-email", required=True, metavar="EMAIL")
    organization.add_argument("--queue", default=environments.DEFAULT_NAME, metavar="NAME")
    organization.add_argument("--new-key", action="store_true", help="make another API key of the administrator")
    pool = commands.add_parser("pool-key", help="a key for a worker pool")
    pool.add_argument("--organization", required=True, metavar="SLUG")
    pool.add_argument("--queue", default=environments.DEFAULT_NAME, metavar="NAME")
    return parser.parse_args(arguments)


async def run(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    """Run one command and return its answer."""
    async with opened(settings) as house:
        if options.command == "pool-key":
            return await make_pool_key(house, slug=options.organization, queue=options.queue)
        return await make_organization(
            house,
            slug=options.organization,
            email=options.admin_email,
            queue=options.queue,
            new_key=options.new_key,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the answer as JSON on standard output; a failure is JSON too, on standard error, with status 1."""
    options = read_arguments(arguments)
    logs.set_up("WARNING", stream=sys.stderr)
    try:
        answer = asyncio.run(run(load_settings(), options))
    except SkerryError as error:
        failure = {"code": error.code, "message": error.message, "hint": error.hint, "status": error.status}
        sys.stderr.write(json.dumps({"error": failure}) + "\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
