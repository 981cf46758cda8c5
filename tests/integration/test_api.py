"""The API over HTTP: who is let in, what they may, what is not theirs, and what happens when something is away."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text
from tests.integration.core import Api, Opa, Tenant, inside, make_tenant, running_api, running_opa
from tests.integration.postgres import Server, running_postgres

from skerry import bootstrap
from skerry.auth.service import issue_pool_key, issue_user_key, revoke
from skerry.auth.tokens import Subject
from skerry.base import clock
from skerry.base.errors import SkerryError
from skerry.health.service import FRESH_S
from skerry.kit.ids import new_id
from skerry.users import repository as users
from skerry.workers import service as workers

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.integration

AWAY = {"valkey", "minio", "temporal", "litellm", "models", "system-worker"}
NO_LONGER_FRESH_S = FRESH_S + 0.1


@dataclass
class Site:
    """What runs, and two tenants on it."""

    server: Server
    opa: Opa
    api: Api
    acme: Tenant
    globex: Tenant


def make_key(
    site: Site,
    *,
    role: str = "admin",
    kind: Literal["user", "worker"] = "user",
    life: dt.timedelta | None = None,
) -> str:
    """Return a new key in acme: of a new user with one role, or of its worker queue."""
    tenant = site.acme
    options = {"life": life} if life is not None else {}

    async def go(house: bootstrap.House) -> str:
        async with house.database.tenant_transaction(tenant.organization_id) as session:
            user_id = new_id()
            holder = user_id if kind == "user" else tenant.queue_id
            subject = Subject(kind, str(holder), tenant.organization_id, tenant.slug, "test", "test@acme.test")
            if kind == "worker":
                return (await issue_pool_key(session, house.issuer, subject, worker_queue_id=holder, **options)).token
            await users.add_user(
                session,
                tenant.organization_id,
                user_id=user_id,
                email=f"{user_id}@acme.test",
                name="test",
                password_hash="-",
                roles=[role],
            )
            return (await issue_user_key(session, house.issuer, subject, user_id=user_id, **options)).token

    key: str = inside(site.server, go)
    return key


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    secrets, folder = tmp_path_factory.mktemp("secrets"), tmp_path_factory.mktemp("folder")
    with (
        running_postgres(secrets) as server,
        running_opa(server, folder) as opa,
        running_api(server, folder, opa_url=opa.url) as api,
    ):
        yield Site(server, opa, api, make_tenant(server, "acme"), make_tenant(server, "globex"))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = clock.monotonic()
    return work(), clock.monotonic() - start


def test_keys_are_published_while_nothing_else_is_there(site: Site) -> None:
    answer = site.api.ask("GET", "/.well-known/jwks.json")
    assert answer.status_code == 200
    assert [key["alg"] for key in answer.json()["keys"]] == ["ES256"]
    assert "max-age" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "headers",
    [
        lambda key: {"authorization": f"Bearer {key}"},
        lambda key: {"authorization": f"UserKey {key}"},
        lambda key: {"authorization": f"Baerer {key}"},
        lambda key: {"authorization": key},
        lambda key: {"userkey": key},
    ],
)
def test_validate_says_who_is_calling(site: Site, headers: Callable[[str], dict[str, str]]) -> None:
    answer = site.api.ask("GET", "/api/v1/auth/validate", headers=headers(site.acme.key))
    assert answer.json() == {
        "id": "acme",
        "name": "acme",
        "slug": "acme",
        "user_id": str(site.acme.user_id),
        "user_email": "ada@acme.test",
        "user_name": "ada",
        "user_avatar": None,
        "user_status": "active",
        "user_groups": ["admin"],
        "user_group_names": ["admin"],
    }


def test_nobody_is_told_so_in_the_contract_s_words(site: Site) -> None:
    answer = site.api.ask("GET", "/api/v1/auth/validate")
    assert answer.status_code == 401
    assert set(answer.json()["detail"]) == {"error", "message", "hint"}
    assert answer.json()["detail"]["error"] == "Unauthorized"


@pytest.mark.parametrize("change", [{"aud": "temporal"}, {"iss": "elsewhere"}, {"exp": 1}])
def test_a_token_that_was_changed_is_refused(site: Site, change: dict[str, Any]) -> None:
    claims = jwt.decode(site.acme.key, options={"verify_signature": False}) | change
    headers = {"kid": jwt.get_unverified_header(site.acme.key)["kid"]}
    forged = jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers=headers)
    assert site.api.ask("GET", "/api/v1/auth/validate", key=forged).status_code == 401


def test_a_key_of_one_organisation_with_the_name_of_another_is_refused(site: Site) -> None:
    """The signature is good; the row it names is in another organisation."""

    async def go(house: bootstrap.House) -> str:
        subject = Subject("user", str(site.acme.user_id), site.globex.organization_id, "globex", "x", "x@acme.test")
        token_id = jwt.decode(site.acme.key, options={"verify_signature": False})["jti"]
        from_text = type(site.acme.user_id)
        expires = clock.now().replace(year=clock.now().year + 1)
        return await house.issuer.mint_api_key(subject, token_id=from_text(token_id), expires_at=expires)

    answer = site.api.ask("GET", "/api/v1/auth/validate", key=inside(site.server, go))
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.token_unknown")


def test_a_revoked_key_is_refused_from_the_commit_on(site: Site) -> None:
    key = make_key(site)
    assert site.api.ask("GET", "/api/v1/auth/validate", key=key).status_code == 200
    token_id = type(site.acme.user_id)(jwt.decode(key, options={"verify_signature": False})["jti"])

    async def go(house: bootstrap.House) -> None:
        async with house.database.tenant_transaction(site.acme.organization_id) as session:
            await revoke(session, site.acme.organization_id, token_id)

    inside(site.server, go)
    answer = site.api.ask("GET", "/api/v1/auth/validate", key=key)
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.token_revoked")


@pytest.mark.parametrize(
    ("suspend", "back"),
    [
        ("update skerry.users set status = 'suspended'", "update skerry.users set status = 'active'"),
        (
            "update skerry.organizations set status = 'suspended'",
            "update skerry.organizations set status = 'active'",
        ),
    ],
)
def test_who_is_suspended_is_refused(site: Site, suspend: str, back: str) -> None:
    async def run_sql(house: bootstrap.House, statement: str) -> None:
        async with house.database.tenant_transaction(site.acme.organization_id) as session:
            assert await session.execute(text(statement)) > 0

    key = make_key(site)
    inside(site.server, lambda house: run_sql(house, suspend))
    try:
        answer = site.api.ask("GET", "/api/v1/auth/validate", key=key)
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.suspended")
        assert site.api.ask("GET", "/api/v1/auth/validate", key=site.globex.key).status_code == 200
    finally:
        inside(site.server, lambda house: run_sql(house, back))
    assert site.api.ask("GET", "/api/v1/auth/validate", key=key).status_code == 200


def test_an_agent_is_made_and_read(site: Site) -> None:
    body = {
        "name": "log reader",
        "description": "finds the cause",
        "system_prompt": "Be brief.",
        "model": "skerry/smoke",
        "capabilities": ["read"],
        "configuration": {"a": {"b": [1, 2.5, None]}},
        "llm_config": {"temperature": 0},
        "runtime": "default",
        "skill_ids": ["s1"],
        "environment_ids": ["e1"],
        "execution_environment": {"env_vars": {"A": "1"}},
        "a_field_of_a_newer_client": True,
    }
    made = site.api.ask("POST", "/api/v1/agents", key=site.acme.key, json=body)
    assert made.status_code == 201
    agent = made.json()
    assert agent["organization_id"] == "acme"
    assert agent["model_id"] == "skerry/smoke"
    assert agent["status"] == "idle"
    assert agent["created_at"].endswith("Z")
    assert agent["execution_environment"]["env_vars"] == {"A": "1"}
    for name in ("name", "description", "system_prompt", "capabilities", "configuration", "llm_config", "skill_ids"):
        assert agent[name] == body[name]
    assert site.api.ask("GET", f"/api/v1/agents/{agent['id']}", key=site.acme.key).json() == agent


def test_an_agent_without_a_model_gets_the_default_one(site: Site) -> None:
    agent = site.api.ask("POST", "/api/v1/agents", key=site.acme.key, json={"name": "plain"}).json()
    assert agent["model_id"] == "skerry/smoke"


def test_somebody_else_s_agent_is_not_found_and_looks_like_none(site: Site) -> None:
    theirs = site.api.ask("POST", "/api/v1/agents", key=site.globex.key, json={"name": "theirs"}).json()["id"]
    answers = [
        site.api.ask("GET", f"/api/v1/agents/{name}", key=site.acme.key)
        for name in (theirs, str(new_id()), theirs.upper(), "nonsense")
    ]
    assert {answer.status_code for answer in answers} == {404}
    bodies = [{name: value for name, value in answer.json().items() if name != "request_id"} for answer in answers]
    assert all(body == bodies[0] for body in bodies)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x" * 256},
        {"name": None},
        {"name": 7},
        {"name": "x", "system_prompt": "x" * 100_001},
        {"name": "x", "configuration": []},
        {"name": "x", "execution_environment": {"env_vars": {"A": 1}}},
        [],
        "x",
        None,
    ],
)
def test_a_body_that_is_none_is_refused(site: Site, body: Any) -> None:
    answer = site.api.ask("POST", "/api/v1/agents", key=site.acme.key, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


@pytest.mark.parametrize(
    "name",
    ["x" * 255, "\u202eright to left", "{{.secret.X}}", "'; drop table agents; --", "\U0001f9ea", "zero\u200bwidth"],
)
def test_a_strange_name_is_kept_as_it_is(site: Site, name: str) -> None:
    agent = site.api.ask("POST", "/api/v1/agents", key=site.acme.key, json={"name": name}).json()
    assert site.api.ask("GET", f"/api/v1/agents/{agent['id']}", key=site.acme.key).json()["name"] == name


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 422),
        (b'{"name": "\\ud800"}', 422),
        (b'{"name": "x", "name": "y"}', 422),
        (b'{"name": "nul\\u0000"}', 422),
        (b'{"name": "x", "llm_config": {"temperature": NaN}}', 422),
        (b'{"name": "x", "configuration": {"a": "\\u0000"}}', 422),
        (b"\xff\xfe", 422),
        ('{"name": "x"}'.encode("utf-16"), 422),
        (b'\xef\xbb\xbf{"name": "x"}', 422),
        (b'{"name": "x", "configuration": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}", 422),
        (b'{"name": "' + b"x" * (1 << 20) + b'"}', 413),
    ],
)
def test_bytes_that_are_no_agent_are_refused(site: Site, content: bytes, status: int) -> None:
    headers = {"content-type": "application/json"}
    answer = site.api.ask("POST", "/api/v1/agents", key=site.acme.key, content=content, headers=headers)
    assert answer.status_code == status


def test_an_unknown_model_is_refused_with_the_known_ones(site: Site) -> None:
    answer = site.api.ask("POST", "/api/v1/agents", key=site.acme.key, json={"name": "x", "model_id": "gpt"})
    assert (answer.status_code, answer.json()["code"]) == (400, "model.unknown")
    assert "skerry/smoke" in answer.json()["hint"]
    answer = site.api.ask("POST", "/api/v1/agents", key=site.acme.key, json={"name": "x", "model_id": "skerry/embed"})
    assert (answer.status_code, answer.json()["code"]) == (400, "model.unknown")


def test_a_team_that_is_not_there_is_not_forgotten_silently(site: Site) -> None:
    body = {"name": "x", "team_id": "0190c0de-0000-7000-8000-000000000001"}
    answer = site.api.ask("POST", "/api/v1/agents", key=site.acme.key, json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "team.not_found")


def test_models_are_listed(site: Site) -> None:
    listed = site.api.ask("GET", "/api/v1/models", key=site.acme.key).json()
    assert [(model["value"], model["model_type"]) for model in listed] == [
        ("skerry/smoke", "text-generation"),
        ("skerry/embed", "embedding"),
    ]
    assert site.api.ask("GET", "/api/v1/models/default", key=site.acme.key).json() == listed[0]
    assert site.api.ask("GET", "/api/v1/models/skerry/smoke", key=site.acme.key).json() == listed[0]
    assert site.api.ask("GET", "/api/v1/models/skerry/none", key=site.acme.key).status_code == 404


def test_a_viewer_reads_and_makes_nothing(site: Site) -> None:
    key = make_key(site, role="viewer")
    agent = site.api.ask("POST", "/api/v1/agents", key=site.acme.key, json={"name": "seen"}).json()
    assert site.api.ask("GET", f"/api/v1/agents/{agent['id']}", key=key).status_code == 200
    denied = site.api.ask("POST", "/api/v1/agents", key=key, json={"name": "x"})
    assert (denied.status_code, denied.json()["code"]) == (403, "authz.denied")
    assert "api.not_granted" in denied.json()["detail"]


@pytest.mark.parametrize("role", ["", "nobody", "ADMIN"])
def test_a_role_nobody_knows_grants_nothing(site: Site, role: str) -> None:
    assert site.api.ask("GET", "/api/v1/models", key=make_key(site, role=role)).status_code == 403


def test_a_pool_s_key_opens_its_own_work_only(site: Site) -> None:
    key = make_key(site, kind="worker")
    assert site.api.ask("GET", "/api/v1/auth/validate", key=key).json()["user_id"] is None
    assert site.api.ask("POST", "/api/v1/agents", key=key, json={"name": "x"}).status_code == 403


def test_health_names_what_is_away(site: Site) -> None:
    answer, seconds = timed(lambda: site.api.ask("GET", "/api/health"))
    assert answer.status_code == 200
    assert set(answer.json()["failing"]) == AWAY
    assert seconds < 2
    assert site.api.ask("GET", "/api/ready").status_code == 200
    detailed = site.api.ask("GET", "/api/health/detailed").json()["components"]
    assert {name for name, one in detailed.items() if one["status"] == "healthy"} == {"postgres", "opa", "workers"}


@pytest.mark.parametrize(("end", "back"), [("pause", "unpause"), ("stop", "start")])
def test_without_opa_nobody_may_anything(site: Site, end: str, back: str) -> None:
    site.opa.podman(end)
    try:
        answer, seconds = timed(lambda: site.api.ask("GET", "/api/v1/models", key=site.acme.key))
        assert (answer.status_code, answer.json()["code"]) == (503, "authz.unavailable")
        assert seconds < 2
        report, seconds = timed(lambda: site.api.ask("GET", "/api/ready"))
        assert report.status_code == 503
        assert "opa" in report.json()["failing"]
        assert seconds < 2
    finally:
        site.opa.podman(back)
    site.opa.wait()
    assert site.api.ask("GET", "/api/v1/models", key=site.acme.key).status_code == 200


@pytest.mark.parametrize(("end", "back"), [("stop", "start"), ("kill", "start"), ("pause", "unpause")])
def test_without_postgres_health_says_so_and_it_comes_back(site: Site, end: str, back: str) -> None:
    assert site.api.ask("GET", "/api/v1/models", key=site.acme.key).status_code == 200
    time.sleep(NO_LONGER_FRESH_S)
    site.server.podman(end)
    try:
        report, seconds = timed(lambda: site.api.ask("GET", "/api/health"))
        assert "postgres" in report.json()["failing"]
        assert seconds < 2
        assert site.api.ask("GET", "/.well-known/jwks.json").status_code == 200
        if end != "pause":
            answer, seconds = timed(lambda: site.api.ask("GET", "/api/v1/models", key=site.acme.key))
            assert (answer.status_code, answer.json()["code"]) == (503, "database.unavailable")
            assert seconds < 5
    finally:
        site.server.podman(back)
    site.server.wait()
    assert site.api.ask("GET", "/api/v1/models", key=site.acme.key).status_code == 200
    time.sleep(NO_LONGER_FRESH_S)
    assert set(site.api.ask("GET", "/api/health").json()["failing"]) == AWAY


def test_the_description_is_served(site: Site) -> None:
    paths = site.api.ask("GET", "/api/openapi.json").json()["paths"]
    assert {"/api/v1/agents", "/api/v1/agents/{agent_id}", "/api/v1/models"} <= set(paths)


def test_bootstrap_without_temporal_is_one_error_and_makes_no_key(site: Site) -> None:
    async def go(house: bootstrap.House) -> None:
        await bootstrap.make_organization(house, slug="initech", email="ada@initech.test", queue="q", new_key=False)

    with pytest.raises(SkerryError) as caught:
        inside(site.server, go)
    assert caught.value.code == "temporal.unavailable"
    with site.server.connect("postgres", "postgres-superuser") as connection:
        held = connection.execute(
            "select count(*) from skerry.tokens join skerry.organizations using (organization_id)"
            " where slug = 'initech'"
        ).fetchone()
    assert held == (0,)


def test_a_pool_of_an_organisation_that_is_not_there(site: Site) -> None:
    async def go(house: bootstrap.House) -> None:
        await bootstrap.make_pool_key(house, slug="nobody", queue="default")

    with pytest.raises(SkerryError) as caught:
        inside(site.server, go)
    assert caught.value.code == "organization.not_found"


def test_a_request_in_progress_survives_the_end(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    """SIGTERM while a request waits for its decision: it is answered, then the process ends with status 0."""
    folder = tmp_path_factory.mktemp("second")
    with running_api(site.server, folder, opa_url=site.opa.url) as api:
        assert api.ask("GET", "/api/v1/models", key=site.acme.key).status_code == 200
        answers: list[int] = []
        site.opa.podman("pause")
        try:
            asking = threading.Thread(
                target=lambda: answers.append(api.ask("GET", "/api/v1/models", key=site.acme.key).status_code)
            )
            asking.start()
            time.sleep(0.2)
            api.process.terminate()
            time.sleep(0.2)
        finally:
            site.opa.podman("unpause")
        asking.join(10)
        assert answers == [200]
        assert api.process.wait(20) == 0


def test_the_log_is_json_and_holds_no_key(site: Site) -> None:
    lines = site.api.lines()
    assert any(line.get("organization_id") == str(site.acme.organization_id) for line in lines)
    assert all("time" in line and "message" in line for line in lines)
    whole = site.api.log.read_text()
    signature = site.acme.key.rpartition(".")[2]
    assert signature not in whole
    for name, value in site.server.settings.secrets.values.items():
        assert value.decode().strip() not in whole, name


def test_a_pool_that_falls_silent_is_named_until_it_is_heard_of_again(site: Site) -> None:
    """By its key: the killed worker's row stays, the next worker of the same pool makes it well."""
    key = make_key(site, kind="worker")
    token_id = jwt.decode(key, options={"verify_signature": False})["jti"]

    def heard(seconds_ago: int) -> None:
        with site.server.connect("postgres", "postgres-superuser") as connection:
            connection.execute(
                "insert into skerry.workers (organization_id, id, worker_queue_id, token_id, last_heartbeat_at)"
                " values (%s, %s, %s, %s, now() - make_interval(secs => %s))",
                (site.acme.organization_id, new_id(), site.acme.queue_id, token_id, seconds_ago),
            )

    def failing() -> set[str]:
        time.sleep(NO_LONGER_FRESH_S)
        return set(site.api.ask("GET", "/api/health").json()["failing"]) - AWAY

    heard(3600)
    assert failing() == set()
    heard(31)
    assert failing() == {"workers"}
    heard(1)
    assert failing() == set()


def test_without_a_system_worker_that_shows_life_it_is_named(site: Site) -> None:
    ids = [new_id(), new_id()]

    def failing() -> set[str]:
        time.sleep(NO_LONGER_FRESH_S)
        return set(site.api.ask("GET", "/api/health").json()["failing"]) & {"system-worker"}

    async def tell(house: bootstrap.House, *, ends: bool = False) -> None:
        async with house.database.platform_transaction("heartbeats") as session:
            for worker_id in ids[:1] if ends else ids:
                await (workers.end_system_life if ends else workers.show_system_life)(session, worker_id)

    def age(seconds: int) -> None:
        with site.server.connect("postgres", "postgres-superuser") as connection:
            connection.execute(
                "update skerry.system_workers set last_heartbeat_at = now() - make_interval(secs => %s)", (seconds,)
            )

    assert failing() == {"system-worker"}
    told = site.api.ask("GET", "/api/health/detailed").json()["components"]["system-worker"]
    assert told["code"] == "health.silent"
    inside(site.server, tell)
    assert failing() == set()
    age(int(workers.SYSTEM_SILENCE.total_seconds()) + 1)
    assert failing() == {"system-worker"}, "killed or paused"
    inside(site.server, tell)
    assert failing() == set()
    inside(site.server, partial(tell, ends=True))
    assert failing() == set(), "the other one lives"
    age(int(workers.SYSTEM_FORGOTTEN.total_seconds()) + 1)
    inside(site.server, partial(tell, ends=True))
    with site.server.connect("postgres", "postgres-superuser") as connection:
        assert connection.execute("select id from skerry.system_workers").fetchall() == []
