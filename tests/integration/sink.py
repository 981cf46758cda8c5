"""An outside world of the test's own: a network namespace with a documentation network, where every arrival is counted.

198.51.100.0/24 (RFC 5737) is routed on the host to a namespace in which listeners count TCP connections and UDP
datagrams (DNS questions are answered, so that a resolver that gets through is seen to get through). Listeners on the
host's own side of that network count what reaches the host itself.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.namespaces import in_network

from skerry.base import clock
from skerry.base.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = "skerry-test-outside"
NEAR = "skerrytest0"
FAR = "skerrytest1"
HOST = "198.51.100.1"
OUTSIDE = "198.51.100.80"
PREFIX = 24
# None that the edge publishes: those are taken on every address of the host.
TCP_PORTS = (53, 80, 8080)
UDP_PORTS = (53,)
POLL_S = 0.2


@dataclass
class Outside:
    """What arrived, by (address, protocol, port)."""

    arrivals: Counter[tuple[str, str, int]] = field(default_factory=Counter)

    def total(self) -> int:
        return sum(self.arrivals.values())

    def settled(self, least: int, *, deadline_s: float = 10.0) -> int:
        """Return the total once it has reached `least`: arrivals are counted a moment after they are accepted.

        Raises:
            AssertionError: when it does not within `deadline_s` seconds.
        """
        end = clock.monotonic() + deadline_s
        while (total := self.total()) < least:
            assert clock.monotonic() < end, f"{total} of {least} arrived"
            time.sleep(POLL_S)
        return total


@contextmanager
def outside_world() -> Iterator[Outside]:
    """Make the namespace and its listeners; everything is removed at the end."""
    world = Outside()
    stop = threading.Event()
    _remove()
    opened: list[tuple[socket.socket, tuple[str, str, int]]] = []
    try:
        _make()
        opened = [*_listen(HOST), *in_network(Path("/run/netns") / NAMESPACE, lambda: _listen(OUTSIDE))]
        counter = threading.Thread(target=_count, args=(world, opened, stop), daemon=True)
        counter.start()
        yield world
        stop.set()
        counter.join()
    finally:
        stop.set()
        for sock, _ in opened:
            sock.close()
        _remove()


def _make() -> None:
    _ip("netns", "add", NAMESPACE)
    _ip("link", "add", NEAR, "type", "veth", "peer", "name", FAR, "netns", NAMESPACE)
    _ip("address", "add", f"{HOST}/{PREFIX}", "dev", NEAR)
    _ip("link", "set", NEAR, "up")
    _ip("-n", NAMESPACE, "address", "add", f"{OUTSIDE}/{PREFIX}", "dev", FAR)
    _ip("-n", NAMESPACE, "link", "set", FAR, "up")
    _ip("-n", NAMESPACE, "link", "set", "lo", "up")
    # Answers find the way back to any container that got through.
    _ip("-n", NAMESPACE, "route", "add", "default", "via", HOST)


def _remove() -> None:
    run(["ip", "link", "delete", NEAR], check=False)
    run(["ip", "netns", "delete", NAMESPACE], check=False)


def _ip(*words: str) -> None:
    run(["ip", *words])


def _listen(address: str) -> list[tuple[socket.socket, tuple[str, str, int]]]:
    opened = []
    for kind, protocol, ports in (
        (socket.SOCK_STREAM, "tcp", TCP_PORTS),
        (socket.SOCK_DGRAM, "udp", UDP_PORTS),
    ):
        for port in ports:
            sock = socket.socket(socket.AF_INET, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
            if protocol == "tcp":
                sock.listen(64)
            sock.settimeout(0)
            opened.append((sock, (address, protocol, port)))
    return opened


def _count(world: Outside, opened: list[tuple[socket.socket, tuple[str, str, int]]], stop: threading.Event) -> None:
    with selectors.DefaultSelector() as selector:
        for sock, place in opened:
            selector.register(sock, selectors.EVENT_READ, place)
        while not stop.is_set():
            for key, _ in selector.select(POLL_S):
                arrived = key.fileobj
                assert isinstance(arrived, socket.socket)
                world.arrivals[key.data] += 1
                if arrived.type == socket.SOCK_STREAM:
                    arrived.accept()[0].close()
                else:
                    question, sender = arrived.recvfrom(4096)
                    arrived.sendto(_answer(question), sender)


def _answer(question: bytes) -> bytes:
    """Return a DNS answer that gives OUTSIDE for whatever is asked."""
    header = question[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"
    end = question.find(b"\x00", 12) + 5
    record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04" + socket.inet_aton(OUTSIDE)
    return header + question[12:end] + record
