"""Who listens on a port of the host, as /proc tells it."""

from __future__ import annotations

from pathlib import Path

LISTEN = "0A"


def listener_on(port: int, *, proc: Path = Path("/proc")) -> str | None:
    """Return `name (process N)` of a program that listens on a TCP port; None when nobody is found."""
    inodes = _listening_inodes(port, proc)
    if not inodes:
        return None
    targets = {f"socket:[{inode}]" for inode in inodes}
    for folder in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        if targets & _held(folder):
            return _name_of(folder)
    return None


def _name_of(folder: Path) -> str:
    """Return what people call a process; for podman's conmon, which holds published ports, that is its container."""
    words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    name = (folder / "comm").read_text().strip()
    if name == "conmon" and "-n" in words[:-1]:
        return f"the container {words[words.index('-n') + 1]}"
    return f"{name} (process {folder.name})"


def _held(folder: Path) -> set[str]:
    """Return what a process has open; it, or one of its files, may go while we look."""
    found: set[str] = set()
    try:
        for link in (folder / "fd").iterdir():
            try:
                found.add(str(link.readlink()))
            except OSError:
                continue
    except OSError:
        return found
    return found


def _listening_inodes(port: int, proc: Path) -> set[str]:
    found: set[str] = set()
    for table in ("net/tcp", "net/tcp6"):
        path = proc / table
        if not path.exists():
            continue
        for line in path.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found
