"""Settings: parsed once, refused when they do not parse, silent about secrets."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from skerry.base.errors import PreconditionError
from skerry.base.paths import find_checkout
from skerry.kit.settings import SECRET_LIMIT_BYTES, Place, load_settings


def test_variables_and_secrets_are_read(tmp_path: Path) -> None:
    (tmp_path / "postgres-app").write_text("s3cret\n")
    settings = load_settings(
        {
            "SKERRY_SECRETS_DIR": str(tmp_path),
            "SKERRY_DATABASE_HOST": "db",
            "SKERRY_VALKEY_HOST": "cache:7000",
            "SKERRY_OPA_URL": "http://opa:8181/",
            "SKERRY_LOG_LEVEL": "debug",
            "PATH": "/usr/bin",
        }
    )
    assert settings.database == Place("db", 5432)
    assert settings.valkey == Place("cache", 7000)
    assert settings.opa_url == "http://opa:8181"
    assert settings.log_level == "DEBUG"
    assert settings.secrets.text("postgres-app") == "s3cret"
    assert settings.secrets.bytes("postgres-app") == b"s3cret\n"


def test_no_secret_in_repr(tmp_path: Path) -> None:
    (tmp_path / "postgres-app").write_text("s3cret")
    assert "s3cret" not in repr(load_settings({"SKERRY_SECRETS_DIR": str(tmp_path)}))


def test_settings_are_frozen() -> None:
    settings = load_settings({"SKERRY_SECRETS_DIR": "/nowhere"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.log_level = "DEBUG"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SKERRY_DATABASE_HOST", ""),
        ("SKERRY_DATABASE_HOST", "db:"),
        ("SKERRY_DATABASE_HOST", "db:0"),
        ("SKERRY_DATABASE_HOST", "db:65536"),
        ("SKERRY_DATABASE_HOST", "db:5432x"),
        ("SKERRY_DATABASE_HOST", "db:\u0661"),
        ("SKERRY_OPA_URL", "opa:8181"),
        ("SKERRY_LOG_LEVEL", "loud"),
        ("SKERRY_POOL_SIZE", "many"),
    ],
)
def test_a_value_that_does_not_parse_is_refused(name: str, value: str) -> None:
    with pytest.raises(PreconditionError) as caught:
        load_settings({name: value})
    assert caught.value.code == "settings.invalid"
    assert name in caught.value.message


def test_a_misspelt_variable_is_refused() -> None:
    with pytest.raises(PreconditionError) as caught:
        load_settings({"SKERRY_DATABASE_HOTS": "db"})
    assert caught.value.code == "settings.unknown"


def test_a_secret_nobody_handed_over_is_an_error_where_it_is_asked_for(tmp_path: Path) -> None:
    settings = load_settings({"SKERRY_SECRETS_DIR": str(tmp_path)})
    assert not settings.secrets.has("host-key")
    with pytest.raises(PreconditionError) as caught:
        settings.secrets.text("host-key")
    assert caught.value.code == "settings.no_secret"


def test_a_secret_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (SECRET_LIMIT_BYTES + 1))
    with pytest.raises(PreconditionError) as caught:
        load_settings({"SKERRY_SECRETS_DIR": str(tmp_path)})
    assert caught.value.code == "settings.secret_size"


def _definitions() -> list[Path]:
    services = find_checkout(Path(__file__)).services
    parsed = {path: tomllib.loads(path.read_text()) for path in sorted(services.glob("*.toml"))}
    # The agent worker has settings of its own: it imports base only.
    return [path for path, one in parsed.items() if one["image"] == "control-plane" and path.stem != "agent-worker"]


@pytest.mark.parametrize("path", _definitions(), ids=lambda path: path.stem)
def test_what_the_appliance_says_is_understood(path: Path) -> None:
    environment = tomllib.loads(path.read_text()).get("environment", {})
    settings = load_settings(
        {name: str(value).replace("${site_name}", "skerry.test") for name, value in environment.items()}
    )
    assert settings.secrets.folder == Path("/run/secrets")


def test_a_secret_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "host-key").write_text("secret")
    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)  # root, who runs the tests, may read everything
    with pytest.raises(PreconditionError) as caught:
        load_settings({"SKERRY_SECRETS_DIR": str(tmp_path)})
    assert caught.value.code == "settings.secret_unreadable"
