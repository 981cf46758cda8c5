"""What `up` says, what a refused `up` leaves alone, and what outlives `down`. The last file: it stops the stack."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest
from tests.integration.stack import PREFIX
from tests.integration.test_thread import ERROR_LINE, LOG, PROMPT, follow

from skerry.base.process import run
from skerry.client.context import FILE_NAME, read_context
from skerry.client.http import Client
from skerry.stack.render_nftables import table_name

if TYPE_CHECKING:
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

PROGRESS = ("  .. ", "  ok ", "  failed ")


def test_up_says_where_things_are(stack: Stack) -> None:
    wanted = {
        "https": f"https://{stack.site_name}",
        "temporal": f"{stack.site_name}:7233",
        "s3": f"https://{stack.site_name}:9000",
        "root of CA": stack.ca_certificate,
        "state": stack.state.root,
    }
    told = [line for line in stack.started.stdout.splitlines() if line.startswith("  ")]
    assert told == [f"  {title:<12} {place}" for title, place in wanted.items()]
    assert "Everything is well after" in stack.started.stdout
    assert "skerry bootstrap" in stack.started.stdout


def left(stack: Stack) -> dict[str, object]:
    """Return what is there of a stack: containers, networks and packet filter, and what `down` keeps."""
    tables = json.loads(run(["nft", "--json", "list", "tables"]).stdout)["nftables"]
    return {
        "containers": sorted(stack.podman.containers()),
        "networks": sorted(stack.podman.networks()),
        "filters": [
            item["table"]["name"] for item in tables if item.get("table", {}).get("name") == table_name(PREFIX)
        ],
        "volumes": sorted(stack.podman.volumes()),
        "secrets": sorted(stack.podman.secrets()),
        "files": sorted(str(path) for path in stack.state.root.rglob("*")),
    }


def test_what_a_stack_holds_outlives_down_and_a_refused_up(stack: Stack) -> None:
    context = read_context(stack.state.root / FILE_NAME)
    with Client(context) as client:
        agent = client.create_agent("survivor", system_prompt="You find errors in log files and quote them.")
        file = client.upload(LOG, file_path=LOG.name)
        execution_id = client.execute(agent["id"], PROMPT, file_ids=[file["id"]])
        follow(client, execution_id)
        answered = client.execution(execution_id)
    assert ERROR_LINE in answered["response"]
    stack.command("stack", "down")
    before = left(stack)
    assert [before[name] for name in ("containers", "networks", "filters")] == [[], [], []]
    assert before["volumes"]
    assert before["secrets"]
    with socket.create_server(("127.0.0.1", stack.published("https"))):
        refused = stack.command("stack", "up", check=False)
    assert refused.status == 1
    told = [line for line in refused.stderr.splitlines() if not line.startswith(PROGRESS)]
    assert len(told) == 2, refused.stderr
    assert told[0].startswith(f"error: port {stack.published('https')} of ")
    assert told[0].endswith("[preflight.port_taken]")
    assert left(stack) == before
    stack.command("stack", "up")
    with Client(context) as client:
        assert client.execution(execution_id) == answered
        assert client.find_agent("survivor") == agent
        # The worker reads the file that was uploaded before.
        again = client.execute(agent["id"], PROMPT, file_ids=[file["id"]])
        assert ERROR_LINE in (follow(client, again).response or "")
