"""Configuration as containers mount it: copies named by their content, readable whatever the checkout's modes are.

Contract: a copy never changes once it has its name, so a running container sees what it was started with, and the name
is the digest that tells whether a container has to be made again.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skerry.base.canonical import digest_of, sha256_file
from skerry.base.errors import InvalidInputError
from skerry.base.paths import write_atomic
from skerry.stack.render_podman import HostFiles, hosts_file

if TYPE_CHECKING:
    from pathlib import Path

    from skerry.host.state import State
    from skerry.stack.plan import Instance, Plan

DIGEST_CHARS = 24
SKIPPED = {"__pycache__"}


@dataclass(frozen=True)
class Staged:
    """Where everything lies, and which copies are in use (names of folders in state.files)."""

    sources: dict[str, Path]
    state: State

    def of(self, instance: Instance) -> HostFiles:
        """Return the files of one instance."""
        sources = {file.source: self.sources[file.source] for file in instance.definition.files}
        return HostFiles(sources, self.state.hosts / instance.container)

    def digests(self, instance: Instance) -> dict[str, str]:
        """Return what identifies the content of each of its files, by source."""
        return {file.source: self.sources[file.source].parent.name for file in instance.definition.files}


def stage_files(plan: Plan, state: State, *, root: Path) -> Staged:
    """Copy every file the plan mounts, write hosts files, and return where they are.

    Raises:
        InvalidInputError: `host.odd_file` for links and devices in a source folder.
    """
    names = sorted({file.source for item in plan.instances.values() for file in item.definition.files})
    sources = {name: _stage(root / name, state) for name in names}
    for item in plan.instances.values():
        path, text = state.hosts / item.container, hosts_file(item).encode()
        # A mounted file is replaced only when it must be: the mount holds the old inode.
        if not path.exists() or path.read_bytes() != text:
            write_atomic(path, text)
    return Staged(sources, state)


def remove_unused(staged: Staged, plan: Plan) -> None:
    """Remove copies and hosts files that no instance of the plan mounts."""
    used = {path.parent.name for path in staged.sources.values()}
    for folder in staged.state.files.iterdir():
        if folder.name not in used:
            shutil.rmtree(folder)
    containers = {item.container for item in plan.instances.values()}
    for path in staged.state.hosts.iterdir():
        if path.name not in containers:
            path.unlink()


def _stage(source: Path, state: State) -> Path:
    entries = _entries(source)
    digest = digest_of([source.name, [[name, executable, sha] for name, executable, sha in entries]])[:DIGEST_CHARS]
    target = state.files / digest / source.name
    if not target.exists():
        partial = state.files / f"{digest}.part"
        shutil.rmtree(partial, ignore_errors=True)
        for name, executable, _ in entries:
            origin = source / name if name else source
            copy = partial / source.name / name if name else partial / source.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, copy)
            copy.chmod(0o755 if executable else 0o644)
        if source.is_dir():
            (partial / source.name).mkdir(parents=True, exist_ok=True)
        for folder in (partial, *(path for path in partial.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        shutil.rmtree(state.files / digest, ignore_errors=True)
        partial.rename(state.files / digest)
    return target


def _entries(source: Path) -> list[tuple[str, bool, str]]:
    if source.is_file():
        return [("", _executable(source), sha256_file(source))]
    found: list[tuple[str, bool, str]] = []
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_dir() or SKIPPED & set(relative.parts):
            continue
        if path.is_symlink() or not path.is_file():
            raise InvalidInputError("host.odd_file", f"{path} is neither a file nor a folder", "mount plain files only")
        found.append((str(relative), _executable(path), sha256_file(path)))
    return found


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)
