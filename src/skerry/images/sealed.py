"""Run one program where it can see only what it was given: named folders in a fresh root, no network.

Contract: the root is a tmpfs of a private mount namespace, so nothing of it outlives the program and no shared folder
is written to. No process of it outlives the one that asked for it, not even when that is killed. A folder is read-only
unless it is marked writable. The environment is exactly what is passed. Paths inside never depend on paths outside,
which is what makes two builds in two places give the same bytes.
Source: mount_namespaces(7), pid_namespaces(7), network_namespaces(7), unshare(1), mount(8) ("bind mount operation").
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skerry.base import process
from skerry.images.steps import run_logged, scratch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEVICES = ("null", "zero", "full", "random", "urandom")
# What of a root file system a compiler needs; the rest (dev, proc, tmp, var ...) is left out.
ROOT_PARTS = ("bin", "etc", "lib", "lib64", "sbin", "usr")


@dataclass(frozen=True)
class Bind:
    """A folder or file of this machine, seen inside as `target` (absolute)."""

    source: Path
    target: str
    writable: bool = False


def run_sealed(  # noqa: PLR0913  what it sees, what it is told, where it starts: each said apart
    arguments: Sequence[str],
    *,
    binds: Sequence[Bind],
    env: Mapping[str, str],
    cwd: str,
    log: Path,
    root: Path | None = None,
    deadline_s: float = process.DEFAULT_DEADLINE_S,
) -> None:
    """Run a program in a sealed root and wait for it.

    Args:
        arguments: the program (an absolute path inside) and its arguments.
        binds: what it can see besides `root`.
        env: its whole environment.
        cwd: folder inside to start in.
        log: receives its output.
        root: a root file system whose programs and libraries it needs; nothing when None, which suits static programs.
        deadline_s: seconds until it is ended.

    Raises:
        ProcessError: `images.step_failed` with the end of its output, `process.deadline`.
        PreconditionError: `process.missing_program` (setpriv).
    """
    with scratch("skerry-sealed.") as empty:
        plan = {
            "arguments": list(arguments),
            "binds": [{**asdict(bind), "source": str(bind.source.resolve())} for bind in binds],
            "env": dict(env),
            "cwd": cwd,
            "place": str(empty),
            "root": None if root is None else str(root.resolve()),
        }
        run_logged(
            [
                # When we are killed, so is unshare, its child, and with that one the whole process namespace.
                *("setpriv", "--pdeathsig", "KILL", "--"),
                *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"),
                *(sys.executable, "-m", __name__, json.dumps(plan)),
            ],
            log=log,
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
            deadline_s=deadline_s,
        )


def enter(plan: Mapping[str, Any]) -> None:
    """Make the root of a plan and become its program; runs inside the new namespaces and does not return."""
    place = Path(plan["place"])
    process.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", place])
    for name in ("dev", "tmp"):
        (place / name).mkdir()
    for name in DEVICES:
        _bind(Path("/dev") / name, place / "dev" / name, writable=True)
    if plan["root"] is not None:
        _bind_root(Path(plan["root"]), place)
    for bind in plan["binds"]:
        _bind(Path(bind["source"]), place / bind["target"].lstrip("/"), writable=bind["writable"])
    process.run(["mount", "-o", "remount,ro", place])
    os.chroot(place)
    os.chdir(plan["cwd"])
    arguments = plan["arguments"]
    os.execve(arguments[0], arguments, plan["env"])  # noqa: S606  no shell is the point


def _bind_root(root: Path, place: Path) -> None:
    for name in ROOT_PARTS:
        part = root / name
        if part.is_symlink():
            (place / name).symlink_to(part.readlink())
        elif part.is_dir():
            _bind(part, place / name, writable=False)


def _bind(source: Path, target: Path, *, writable: bool) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    process.run(["mount", "--bind", *([] if writable else ["-o", "ro"]), source, target])


if __name__ == "__main__":
    enter(json.loads(sys.argv[1]))
