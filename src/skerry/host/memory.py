"""Memory of containers: the sum of proportional set sizes of all their processes, which shares what is shared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def memory_by_container(pids: Mapping[str, int], *, proc: Path = Path("/proc")) -> dict[str, int]:
    """Return bytes by name.

    Args:
        pids: the first process of each container; processes in the same PID namespace are its own.
        proc: where /proc is.

    Source: proc_pid_smaps(5), Pss.
    """
    namespaces = {_namespace(proc / str(pid)): name for name, pid in pids.items() if pid}
    namespaces.pop("", None)
    found = dict.fromkeys(namespaces.values(), 0)
    for folder in proc.glob("[0-9]*"):
        name = namespaces.get(_namespace(folder))
        if name is not None:
            found[name] += _pss(folder)
    return found


def _namespace(folder: Path) -> str:
    try:
        return str((folder / "ns/pid").readlink())
    except OSError:
        return ""


def _pss(folder: Path) -> int:
    try:
        for line in (folder / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        # It ended while we looked.
        return 0
    return 0
