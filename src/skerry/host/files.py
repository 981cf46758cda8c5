"""Configuration as containers mount it: copies named by their content, readable whatever the checkout's modes are.

Contract: a copy never changes once it has its name, so a running container sees what it was started with, and the name
is the digest that tells whether a container has to be made again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from skerry.base.canonical import digest_of, sha256_file, sha256_hex
from skerry.base.errors import InvalidInputError
from skerry.base.paths import Checkout, write_atomic
from skerry.bundle.pack import pack_models
from skerry.stack.render_podman import HostFiles, hosts_file

if TYPE_CHECKING:
    from skerry.host.state import State
    from skerry.stack.plan import Instance, Plan

DIGEST_CHARS = 24
SKIPPED = {"__pycache__"}
Tree = Mapping[str, Path | bytes]
"""Files by their path with `/`: where each lies, or its bytes."""
MAKERS: Final[Mapping[str, Callable[[Checkout, Path], Tree]]] = {"made/models": pack_models}
"""What the build makes, by the name that definitions mount it under (skerry.stack.definition.MADE)."""


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


def stage_files(plan: Plan, state: State, *, root: Path, cache: Path) -> Staged:
    """Copy every file the plan mounts, write hosts files, and return where they are.

    Args:
        plan: whose files.
        state: where the copies lie.
        root: the checkout.
        cache: where the build put what it made.

    Raises:
        InvalidInputError: `host.odd_file` for links and devices in a source folder; and as `pack_models`.
    """
    files = sorted({(file.source, file.made) for item in plan.instances.values() for file in item.definition.files})
    sources = {
        name: _stage(
            PurePosixPath(name).name, MAKERS[name](Checkout(root), cache) if made else tree_of(root / name), state
        )
        for name, made in files
    }
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


def _stage(name: str, tree: Tree, state: State) -> Path:
    """Copy a file (the tree's one entry, without a path) or a folder under `name`, and return where it lies."""
    entries = [(path, _executable(origin), _digest(origin)) for path, origin in sorted(tree.items())]
    digest = digest_of([name, [list(entry) for entry in entries]])[:DIGEST_CHARS]
    target = state.files / digest / name
    if not target.exists():
        partial = state.files / f"{digest}.part"
        shutil.rmtree(partial, ignore_errors=True)
        for path, executable, _ in entries:
            copy = partial / name / path if path else partial / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            origin = tree[path]
            copy.write_bytes(origin) if isinstance(origin, bytes) else shutil.copyfile(origin, copy)
            copy.chmod(0o755 if executable else 0o644)
        if "" not in tree:
            (partial / name).mkdir(parents=True, exist_ok=True)
        for folder in (partial, *(path for path in partial.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        shutil.rmtree(state.files / digest, ignore_errors=True)
        partial.rename(state.files / digest)
    return target


def tree_of(source: Path) -> Tree:
    """Return the files of a file or folder by their path in it.

    Raises:
        InvalidInputError: `host.odd_file`.
    """
    if source.is_file():
        return {"": source}
    found: dict[str, Path | bytes] = {}
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_dir() or SKIPPED & set(relative.parts):
            continue
        if path.is_symlink() or not path.is_file():
            raise InvalidInputError("host.odd_file", f"{path} is neither a file nor a folder", "mount plain files only")
        found[str(relative)] = path
    return found


def _digest(origin: Path | bytes) -> str:
    return sha256_hex(origin) if isinstance(origin, bytes) else sha256_file(origin)


def _executable(origin: Path | bytes) -> bool:
    return not isinstance(origin, bytes) and bool(origin.stat().st_mode & 0o100)
