"""The network graph, tried: from inside every container every port of every other; and nothing outside."""

from __future__ import annotations

import errno
import inspect
import json
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pytest
from tests.integration.namespaces import in_network, network_of
from tests.integration.sink import HOST, OUTSIDE, TCP_PORTS, outside_world

from skerry.base.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.integration.stack import Stack

T = TypeVar("T")

pytestmark = pytest.mark.integration

TRY_S = 1.5
PARALLEL = 8
NAME = "canary.example.org"
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


@pytest.fixture(scope="module")
def networks(stack: Stack) -> Iterator[dict[str, Path]]:
    """Give the network of every service, and of every job: of a container like the job's in which nothing happens."""
    jobs = [name for name, item in stack.plan.instances.items() if item.definition.kind == "job"]
    made = [f"{stack.container(job)}-still" for job in jobs]
    try:
        with ThreadPoolExecutor(len(jobs)) as threads:
            pids = dict(zip(jobs, threads.map(partial(start_still, stack), jobs, made), strict=True))
        pids |= {service: stack.pid(service) for service in stack.services()}
        yield {name: network_of(pid) for name, pid in pids.items()}
    finally:
        stack.podman.run(["rm", "--force", "--ignore", "--time=0", *made])


def start_still(stack: Stack, job: str, name: str) -> int:
    """Start a container that was made as a job's was, but for its name and its command; return its process."""
    container = stack.container(job)
    shown = stack.podman.run(["inspect", "--format={{json .Config.CreateCommand}}", container]).stdout
    command = stack.instance(job).command
    words = json.loads(shown)
    assert words[-len(command) :] == list(command)
    words = [f"--name={name}" if word == f"--name={container}" else word for word in words[1 : -len(command)]]
    stack.podman.run([*words, "sleep", "600"])
    stack.podman.run(["start", name])
    return int(stack.podman.run(["inspect", "--format={{.State.Pid}}", name]).stdout)


def everywhere(networks: Mapping[str, Path], function: Callable[[str], T]) -> dict[str, T]:
    """Return what `function` returns for the name of each client, in its network; several at a time."""
    with ThreadPoolExecutor(PARALLEL) as threads:
        found = threads.map(lambda name: in_network(networks[name], partial(function, name)), networks)
        return dict(zip(networks, found, strict=True))


def everything(stack: Stack) -> dict[Target, str]:
    """Return every address and port that any process of the stack listens on, with its service."""
    found: dict[Target, str] = {}
    for service in stack.services():
        ports = stack.listening(service, loopback=True) | set(stack.instance(service).definition.ports.values())
        for address in stack.addresses(service):
            found |= {(address, port): service for port in ports}
    return found


def test_exactly_the_declared_edges_answer(stack: Stack, networks: dict[str, Path]) -> None:
    targets = everything(stack)
    seen = {
        (client, targets[target], target[1])
        for client, opened in everywhere(
            networks, lambda client: try_all([target for target, service in targets.items() if service != client])
        ).items()
        for target in opened
    }
    declared = {
        (client, server, port)
        for client in networks
        for server in stack.instance(client).definition.reaches
        for port in stack.instance(server).definition.ports.values()
    }
    assert seen == declared
    assert {"api", "migrate", "storage"} <= {client for client, _, _ in seen}


def test_nobody_listens_for_datagrams(stack: Stack) -> None:
    """The graph's edges are TCP; what listened on UDP would be a way that nobody declared."""
    found = stack.each(lambda service: stack.listening(service, protocol="udp", loopback=True))
    assert {service: ports for service, ports in found.items() if ports} == {}


def test_programs_of_the_host_reach_no_service_but_the_edge(stack: Stack) -> None:
    """Root may (status asks the API), others may not: Ollama, for one, asks for no password."""
    inner = [target for target, service in everything(stack).items() if service != "edge"]
    program = (
        f"import errno, json, select, socket\nTarget = tuple\nTRY_S = {TRY_S}\n{inspect.getsource(try_all)}\n"
        f"print(json.dumps(sorted(try_all({inner!r}))))"
    )
    done = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", program])
    assert json.loads(done.stdout) == []


def test_no_container_reaches_the_host_or_the_outside(stack: Stack, networks: dict[str, Path]) -> None:
    targets = [(address, port) for address in (HOST, OUTSIDE) for port in TCP_PORTS]
    published = [item.port for item in stack.instance("edge").definition.publish]
    with outside_world() as world:
        assert try_all(targets) == set(targets), "the test's own sink does not answer the host"
        send_question(OUTSIDE)
        before = world.settled(len(targets) + 1)

        def reached(client: str) -> set[Target]:
            gateways = [(gateway, port) for gateway in stack.gateways(client) for port in (22, 53, 80, *published)]
            for address in (HOST, OUTSIDE):
                send_question(address)
            return try_all(targets + gateways)

        opened = everywhere(networks, reached)
        assert {client: found for client, found in opened.items() if found} == {}
        # A last one of the host: what a container had sent would have been counted before it.
        send_question(OUTSIDE)
        assert world.settled(before + 1) == before + 1, world.arrivals


def send_question(address: str) -> None:
    """Send a DNS question; what cannot be sent is as good as lost."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, suppress(OSError):
        sock.sendto(QUESTION, (address, 53))


def test_no_container_resolves_an_outside_name(stack: Stack) -> None:
    look = f"getent hosts {NAME}; grep ^nameserver /etc/resolv.conf; true"
    found = stack.each(lambda service: stack.inside(service, "bash", "-c", look).stdout.splitlines())
    # On its own loopback, where nobody answers.
    assert {service: lines for service, lines in found.items() if lines != ["nameserver 127.0.0.1"]} == {}


def test_no_container_resolves_one_by_a_name_server_that_answers_everything(
    networks: dict[str, Path], tmp_path: Path
) -> None:
    """Not even when told where it is: the host's own resolver library runs in each container's network."""
    configuration = tmp_path / "resolv.conf"
    configuration.write_text(f"nameserver {OUTSIDE}\nnameserver {HOST}\noptions timeout:1 attempts:1\n")

    def ask(*enter: str) -> str:
        script = f'mount --bind {configuration} /etc/resolv.conf && exec "$@" getent ahostsv4 {NAME}'
        return run(["unshare", "--mount", "sh", "-c", script, "_", *enter], check=False).stdout

    with outside_world() as world:
        assert OUTSIDE in ask(), "the test's own name server does not answer the host"
        before = world.settled(1)
        with ThreadPoolExecutor(PARALLEL) as threads:
            answers = threads.map(lambda network: ask("nsenter", f"--net={network}"), networks.values())
            found = dict(zip(networks, answers, strict=True))
        assert {client: text for client, text in found.items() if text} == {}
        send_question(OUTSIDE)
        assert world.settled(before + 1) == before + 1, world.arrivals


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
