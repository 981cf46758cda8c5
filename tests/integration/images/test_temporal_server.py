"""Our own main of Temporal refuses a configuration that would let somebody in without a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from skerry.base import process
from skerry.base.paths import default_cache, find_checkout
from skerry.images import golang

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration
SERVICES = ("--service=frontend", "--service=history")
CONFIG = """
global:
  authorization:
    authorizer: default
    claimMapper: default
    audience: temporal
services:
  frontend: {rpc: {grpcPort: 27233, bindOnIP: 127.0.0.1}}
  history: {rpc: {grpcPort: 27234, bindOnLocalHost: true}}
persistence:
  defaultStore: main
  numHistoryShards: 512
  datastores:
    main: {sql: {pluginName: postgres12, databaseName: none, connectAddr: "127.0.0.1:1", connectProtocol: tcp}}
"""


@pytest.fixture(scope="module")
def server() -> Path:
    return golang.build(find_checkout().images / "temporal", default_cache()) / "temporal-server"


def refusal(server: Path, tmp_path: Path, text: str, *arguments: str) -> str:
    config = tmp_path / "server.yaml"
    config.write_text(text)
    done = process.run([server, f"--config-file={config}", *arguments], check=False, deadline_s=30)
    assert done.status == 1
    return done.stderr


@pytest.mark.parametrize("line", ["authorizer: default", "claimMapper: default", "audience: temporal"])
def test_it_wants_its_callers_checked(server: Path, tmp_path: Path, line: str) -> None:
    said = refusal(server, tmp_path, CONFIG.replace(line, f'{line.split(":", maxsplit=1)[0]}: ""'), "start", *SERVICES)
    assert "global.authorization must have authorizer, claimMapper and audience" in said


@pytest.mark.parametrize("place", ["bindOnLocalHost: false", "bindOnIP: 0.0.0.0"])
def test_it_wants_inner_roles_on_loopback(server: Path, tmp_path: Path, place: str) -> None:
    said = refusal(server, tmp_path, CONFIG.replace("bindOnLocalHost: true", place), "start", *SERVICES)
    assert "services.history.rpc.bindOnLocalHost must be true: this role takes no token" in said


def test_it_wants_a_port_for_each_role(server: Path, tmp_path: Path) -> None:
    said = refusal(server, tmp_path, CONFIG, "start", *SERVICES, "--service=matching")
    assert "services.matching.rpc.grpcPort is missing" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("start",), "start wants --service NAME"),
        (("run",), "usage: temporal-server --config-file FILE start"),
        (("start", "--service=front"), "unknown service"),
    ],
)
def test_it_says_what_it_wants(server: Path, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in refusal(server, tmp_path, CONFIG, *arguments)


def test_its_source_is_formatted() -> None:
    gofmt = golang.toolchain(default_cache()) / "bin" / "gofmt"
    assert process.run([gofmt, "-l", find_checkout().images / "temporal" / "server"]).stdout == ""
