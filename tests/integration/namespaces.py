"""Run code with the network of somebody else: of a container, or of a named namespace.

A thread enters the network namespace (setns) and runs the function; sockets it opens stay in that network. So tests
speak to a service from where its neighbours stand, with the ordinary client libraries and without a program inside the
container.
"""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

CLONE_NEWNET = 0x40000000


def in_network(namespace: Path, function: Callable[[], T]) -> T:
    """Return what `function` returns when it runs in the network of `namespace` (a file like /proc/PID/ns/net)."""
    results: list[T] = []
    failures: list[BaseException] = []

    def enter() -> None:
        try:
            _enter(namespace)
            results.append(function())
        except BaseException as error:  # noqa: BLE001  raised again by the caller's thread
            failures.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def network_of(pid: int) -> Path:
    """Return the network namespace of a process."""
    return Path(f"/proc/{pid}/ns/net")


def _enter(namespace: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(namespace, os.O_RDONLY)
    try:
        if libc.setns(handle, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    finally:
        os.close(handle)
