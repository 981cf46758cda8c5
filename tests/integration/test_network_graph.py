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

    def answering(client: str) -> set[Target]:
        others = [target for target, service in targets.items() if service != client]
        return stack.call_from(client, partial(try_all, others))

    seen = {
        (client, targets[target], target[1]) for client, opened in stack.each(answering).items() for target in opened
    }
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
        before = world.settled(len(targets))
        published = [item.port for item in stack.instance("edge").definition.publish]

        def reached(client: str) -> set[Target]:
            gateways = [(gateway, port) for gateway in stack.gateways(client) for port in (22, 53, 80, *published)]
            stack.call_from(client, partial(send_question, (HOST, OUTSIDE)))
            return stack.call_from(client, partial(try_all, targets + gateways))

        opened = stack.each(reached)
        assert {client: found for client, found in opened.items() if found} == {}
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
    look = "getent hosts canary.example.org; grep ^nameserver /etc/resolv.conf; true"
    found = stack.each(lambda service: stack.inside(service, "bash", "-c", look).stdout.splitlines())
    # On its own loopback, where nobody answers.
    assert {service: lines for service, lines in found.items() if lines != ["nameserver 127.0.0.1"]} == {}


def test_every_declared_name_resolves_and_no_other(stack: Stack) -> None:
    names = stack.services(pools=False)
    loop = 'for name; do getent ahostsv4 "$name" >/dev/null && echo "$name"; done; true'

    def known(service: str) -> set[str]:
        found = set(stack.inside(service, "bash", "-c", loop, "_", *names).stdout.split())
        return found - {stack.instance(service).definition.name}

    assert stack.each(known) == stack.each(lambda service: set(stack.instance(service).definition.reaches))


def test_ipv6_is_off_inside(stack: Stack) -> None:
    look = "cat /proc/net/if_inet6 2>/dev/null; true"
    found = stack.each(lambda service: stack.inside(service, "bash", "-c", look).stdout.strip())
    assert {service: text for service, text in found.items() if text} == {}
