"""The network graph, tried: from inside every container every port of every other; and nothing outside."""

from __future__ import annotations

import errno
import inspect
import json
import select
import socket
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.integration.sink import HOST, OUTSIDE, TCP_PORTS, outside_world

from skerry.base.process import run

if TYPE_CHECKING:
    from tests.integration.stack import Stack

pytestmark = pytest.mark.integration

TRY_S = 1.5
QUESTION = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06canary\x07example\x03org\x00\x00\x01\x00\x01"

Target = tuple[str, int]


def try_all(targets: list[Target]) -> set[Target]:
    """Return the targets that accept a TCP connection within TRY_S; all are tried at once."""
    waiting: dict[socket.socket, Target] = {}
    opened: set[Target] = set()
    for target in targets:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.settimeout(0)
        code = sock.connect_ex(target)
        if code == errno.EINPROGRESS:
            waiting[sock] = target
        else:
            if code == 0:
                opened.add(target)
            sock.close()
    while waiting:
        _, ready, _ = select.select([], list(waiting), [], TRY_S)
        if not ready:
            break
        for sock in ready:
            if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                opened.add(waiting[sock])
            del waiting[sock]
            sock.close()
    for sock in waiting:
        sock.close()
    return opened


def everything(stack: Stack) -> dict[Target, str]:
    """Return every address and port that any process of the stack listens on, with its service."""
    found: dict[Target, str] = {}
    for service in stack.services():
        ports = stack.listening(service, loopback=True) | set(stack.instance(service).definition.ports.values())
        for address in stack.addresses(service):
            found |= {(address, port): service for port in ports}
    return found


def test_exactly_the_declared_edges_answer(stack: Stack) -> None:
    targets = everything(stack)
    seen: set[tuple[str, str, int]] = set()
    for client in stack.services():
        others = [target for target, service in targets.items() if service != client]
        for target in stack.call_from(client, partial(try_all, others)):
            seen.add((client, targets[target], target[1]))
    declared = {
        (client, server, port)
        for client in stack.services()
        for server in stack.instance(client).definition.reaches
        for port in stack.instance(server).definition.ports.values()
    }
    assert seen == declared


def test_programs_of_the_host_reach_no_service_but_the_edge(stack: Stack) -> None:
    """Root may (status asks the API), others may not: Ollama, for one, asks for no password."""
    inner = [target for target, service in everything(stack).items() if service != "edge"]
    program = (
        f"import errno, json, select, socket\nTarget = tuple\nTRY_S = {TRY_S}\n{inspect.getsource(try_all)}\n"
        f"print(json.dumps(sorted(try_all({inner!r}))))"
    )
    done = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", program])
    assert json.loads(done.stdout) == []


def test_no_container_reaches_the_host_or_the_outside(stack: Stack) -> None:
    with outside_world() as world:
        targets = [(address, port) for address in (HOST, OUTSIDE) for port in TCP_PORTS]
        assert try_all(targets) == set(targets), "the test's own sink does not answer the host"
        before = world.total()
        published = [item.port for item in stack.instance("edge").definition.publish]
        for client in stack.services():
            gateways = [(gateway, port) for gateway in stack.gateways(client) for port in (22, 53, 80, *published)]
            opened = stack.call_from(client, partial(try_all, targets + gateways))
            assert opened == set(), client
            stack.call_from(client, partial(send_question, (HOST, OUTSIDE)))
        assert world.total() == before, world.arrivals


def send_question(addresses: tuple[str, ...]) -> None:
    """Send a DNS question to each address; what cannot be sent is as good as lost."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for address in addresses:
            try:
                sock.sendto(QUESTION, (address, 53))
            except OSError:
                continue


def test_no_container_resolves_an_outside_name(stack: Stack) -> None:
    for service in stack.services():
        found = stack.inside(service, "getent", "hosts", "canary.example.org", check=False, deadline_s=30)
        assert found.status != 0, f"{service} resolved {found.stdout}"
        resolvers = stack.inside(service, "cat", "/etc/resolv.conf").stdout
        servers = {line.split()[1] for line in resolvers.splitlines() if line.startswith("nameserver")}
        assert servers <= {"127.0.0.1"}, service


def test_every_declared_name_resolves_and_no_other(stack: Stack) -> None:
    for service in stack.services():
        reaches = set(stack.instance(service).definition.reaches)
        for other in set(stack.services(pools=False)) - {service}:
            done = stack.inside(service, "getent", "ahostsv4", other, check=False, deadline_s=30)
            assert (done.status == 0) == (other in reaches), f"{service} and the name {other}"


def test_ipv6_is_off_inside(stack: Stack) -> None:
    for service in stack.services():
        interfaces = stack.inside(service, "bash", "-c", "cat /proc/net/if_inet6 2>/dev/null || true").stdout
        assert interfaces.strip() == "", service
