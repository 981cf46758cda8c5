"""What the configuration of third parties must say, whoever edits it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import yaml

from skerry.base.paths import find_checkout
from skerry.base.process import run
from skerry.stack.appliance import load_appliance
from skerry.stack.template import fill

CHECKOUT = find_checkout()
CONFIG = CHECKOUT.config


def temporal() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CONFIG / "temporal" / "server.yaml").read_text())
    return found


def test_temporal_has_512_shards_and_our_audience() -> None:
    config = temporal()
    assert config["persistence"]["numHistoryShards"] == 512
    authorization = config["global"]["authorization"]
    assert authorization["audience"] == "temporal"
    assert authorization["authorizer"] == authorization["claimMapper"] == "default"
    assert authorization["jwtKeyProvider"]["refreshInterval"] == "1m"


def test_only_temporals_frontend_listens_beyond_loopback() -> None:
    for name, service in temporal()["services"].items():
        rpc = service["rpc"]
        assert (rpc.get("bindOnIP") == "0.0.0.0") == (name == "frontend"), name  # noqa: S104  what is looked for
        assert rpc.get("bindOnLocalHost", False) == (name != "frontend"), name
        assert "httpPort" not in rpc


def test_temporals_configuration_holds_no_password() -> None:
    for store in temporal()["persistence"]["datastores"].values():
        assert "password" not in store["sql"]


def test_temporal_asks_nobody_for_newer_versions() -> None:
    dynamic = yaml.safe_load((CONFIG / "temporal" / "dynamic.yaml").read_text())
    assert dynamic["frontend.enableServerVersionCheck"] == [{"value": False}]


def test_opas_tokens_are_json_when_filled() -> None:
    text = (CONFIG / "opa" / "tokens.json.in").read_text()
    filled = fill(text, {"opa-token": "a", "opa-management-token": "b"}, where="tokens")
    assert json.loads(filled) == {"tokens": {"query": "a", "management": "b"}}


def test_valkey_keeps_nothing_and_lets_nobody_in_by_default() -> None:
    lines = (CONFIG / "valkey" / "valkey.conf").read_text().splitlines()
    assert 'save ""' in lines
    assert "appendonly no" in lines
    users = (CONFIG / "valkey" / "users.acl.in").read_text().splitlines()
    assert users[0].startswith("user default off")
    for line in users[1:]:
        assert "+@all" not in line
        assert "~*" not in line


def test_postgresql_lets_in_by_scram_and_name() -> None:
    for line in (CONFIG / "postgres" / "pg_hba.conf").read_text().splitlines():
        fields = line.split()
        if not fields or line.startswith("#"):
            continue
        assert not {"trust", "md5", "password"} & set(fields)
        if fields[0] == "host" and fields[-1] != "reject":
            assert fields[2] != "all"
            assert fields[3:] == ["samenet", "scram-sha-256"]


def test_no_environment_of_a_service_names_a_secret() -> None:
    words = ("PASSWORD", "SECRET", "TOKEN", "KEY")
    for definition in load_appliance(CHECKOUT).definitions.values():
        for name, value in definition.environment.items():
            if any(word in name.split("_") for word in words):
                # A path of a file, or a folder of them, never a value.
                assert value.startswith("/run/secrets"), f"{definition.name}: {name}"


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/well" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("path", "status"), [("/well", 0), ("/ill", 1)])
def test_http_ok_says_what_a_server_answers(path: str, status: int) -> None:
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        command = ["bash", str(CONFIG / "health" / "http-ok"), str(server.server_port), path]
        assert run(command, check=False, deadline_s=10).status == status
        thread.join()


def test_http_ok_fails_where_nobody_listens() -> None:
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        port = server.server_port
    assert run(["bash", CONFIG / "health" / "http-ok", str(port), "/"], check=False, deadline_s=10).status != 0
