"""Debian packages: lock, fetch, and roots made of locked packages only.

Contract: images/<name>/debs.lock names every package an image adds to its parent, by name, version, pool path, size
and SHA-256, without any host name. What a build uses comes from the store and equals the lock.

Age: a locked part is at least MIN_AGE_DAYS old, by the date its builder wrote into it. Security fixes (the security
archive and the updates suite, known by version or path) are exempt: Debian's security team reviews them by hand and
builds them itself, and waiting would keep a published hole open for a week.

Lost packages: Debian's mirrors drop superseded files. Where a locked one can no longer be had, the image's request is
resolved again, the difference is printed, and the result is kept in the cache as a replacement for exactly that lock;
the image counts as unlocked.
Source: mmdebstrap(1), DESIGN.md "Reproducible".
"""

from __future__ import annotations

import re
import shutil
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from skerry.base import clock, process
from skerry.base.canonical import digest_of, sha256_hex
from skerry.base.errors import InvalidInputError, NotFoundError
from skerry.base.paths import find_checkout, write_atomic
from skerry.images.apt import SECURITY_PREFIX, Apt, Download, Mirrors, private_apt
from skerry.images.deb import Stanza, build_date, read_control, render_stanzas
from skerry.images.definition import Catalogue, Definition, load_catalogue
from skerry.images.steps import exclusive, run_logged, scratch
from skerry.images.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from skerry.base.progress import Progress

LOCK_FORMAT = 1
MIN_AGE_DAYS = 7
BUILDROOT = "buildroot"
# Part of a root's identity: raise it when the way roots are made changes their bytes.
ROOT_RECIPE = 1
ROOT_DEADLINE_S = 900.0
FIX_VERSION = re.compile(r"[+~]deb\d+u\d+")
# Manuals, translations and documentation stay out, on the first unpack and on every later one; licences stay (the
# SBOM reads them).
DPKG_OPTIONS = (
    "force-unsafe-io",  # what an interrupted build leaves is thrown away, so no file need reach the disk one by one
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/bug/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)
# What would differ between two machines or two days, what only apt would read, and what raises rights. mmdebstrap
# copies hostname and resolv.conf from the machine; all three files stay, empty, because engines mount their own over
# them and would else create them in every layer.
ROOT_HOOKS = (
    'for file in hostname hosts resolv.conf; do : > "$1"/etc/$file; chmod 0644 "$1"/etc/$file; done',
    'rm -rf "$1"/etc/apt "$1"/var/lib/apt "$1"/var/cache/apt',
    'rm -rf "$1"/var/log/* "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old "$1"/etc/*-',
    'find "$1" -xdev -type f -perm /6000 -exec chmod ug-s {} +',
)


@dataclass(frozen=True)
class Package:
    """One locked package. `path` is relative to the archive; `built` is a day (`2026-01-31`); `size` is in bytes."""

    name: str
    version: str
    arch: str
    path: str
    size: int
    sha256: str
    built: str

    @property
    def file(self) -> str:
        """The file's own name, which is unique within a lock."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Lock:
    """What debs.lock holds: the request it answers, and the packages, sorted by name."""

    suite: str
    asked: tuple[str, ...]
    leave_out: tuple[str, ...]
    packages: tuple[Package, ...]

    @property
    def digest(self) -> str:
        return digest_of([self.suite, list(self.asked), list(self.leave_out), [vars(one) for one in self.packages]])


def lock_file(definition: Definition) -> Path:
    """Return where a definition's lock lies."""
    return definition.folder / "debs.lock"


def read_lock(file: Path) -> Lock:
    """Read a lock.

    Raises:
        NotFoundError: `images.not_locked`.
        InvalidInputError: `images.lock` when it is not in our form.
    """
    if not file.is_file():
        raise NotFoundError("images.not_locked", f"{file} does not exist", "run: skerry images lock")
    data = tomllib.loads(file.read_text())
    if data.get("format") != LOCK_FORMAT:
        raise InvalidInputError("images.lock", f"{file} has another format", "run: skerry images lock")
    try:
        packages = tuple(Package(**entry) for entry in data["packages"])
        return Lock(data["suite"], tuple(data["asked"]), tuple(data["leave_out"]), packages)
    except (KeyError, TypeError) as error:
        raise InvalidInputError(
            "images.lock", f"{file} is no lock of ours: {error}", "run: skerry images lock"
        ) from error


def render_lock(lock: Lock) -> str:
    """Return a lock's text, one package a line."""
    lines = [
        "# Made by `skerry images lock`; every Debian package this image adds to its parent.",
        f"format = {LOCK_FORMAT}",
        f'suite = "{lock.suite}"',
        f"asked = [{', '.join(_quote(name) for name in lock.asked)}]",
        f"leave_out = [{', '.join(_quote(name) for name in lock.leave_out)}]",
        "packages = [",
        *(f"    {{ {_fields(package)} }}," for package in lock.packages),
        "]",
    ]
    return "\n".join(lines) + "\n"


def _fields(package: Package) -> str:
    return ", ".join(
        f"{key} = {value if isinstance(value, int) else _quote(value)}" for key, value in vars(package).items()
    )


def _quote(text: str) -> str:
    if '"' in text or "\\" in text:
        raise InvalidInputError("images.lock", f"{text!r} cannot stand in a lock", "ask for a package by its name")
    return f'"{text}"'


def effective_lock(definition: Definition, cache: Path) -> Lock:
    """Return the lock a build uses: the committed one, or what replaced its lost packages on this machine.

    Raises:
        NotFoundError: `images.not_locked`.
        InvalidInputError: `images.lock_outdated` when image.toml asks for something else.
    """
    if not definition.debs:
        return Lock("", (), (), ())
    lock = read_lock(lock_file(definition))
    if set(lock.asked) != set(definition.debs) or set(lock.leave_out) != set(definition.leave_out):
        raise InvalidInputError(
            "images.lock_outdated",
            f"images/{definition.name}/debs.lock answers another request than image.toml makes",
            f"run: skerry images lock {definition.name}",
        )
    file = _replacement_file(lock, definition, cache)
    return read_lock(file) if file.is_file() else lock


def check_layers(catalogue: Catalogue, definitions: Sequence[Definition], cache: Path) -> None:
    """Refuse locks in which an image brings a package that its parents have.

    Raises:
        InvalidInputError: `images.lock_outdated`: a parent was locked after its child.
    """
    for one in definitions:
        above = {package.name for ancestor in catalogue.lineage(one.name)[:-1] for package in blobs(ancestor, cache)}
        twice = sorted(package.name for package in blobs(one, cache) if package.name in above)
        if twice:
            raise InvalidInputError(
                "images.lock_outdated",
                f"images/{one.name}/debs.lock brings {', '.join(twice)}, which its parent has",
                f"run: skerry images lock {one.name}",
            )


def is_unlocked(definition: Definition, cache: Path) -> bool:
    """Say whether this machine builds a definition from replacements of lost packages."""
    return replacement(definition, cache) is not None


def replacement(definition: Definition, cache: Path) -> Path | None:
    """Return the lock that stands for a definition's own on this machine, where packages were lost."""
    if not definition.debs:
        return None
    file = _replacement_file(read_lock(lock_file(definition)), definition, cache)
    return file if file.is_file() else None


def _replacement_file(lock: Lock, definition: Definition, cache: Path) -> Path:
    return cache / "unlocked" / definition.name / f"{lock.digest}.lock"


def inputs(definition: Definition, cache: Path) -> dict[str, object]:
    """Return what a definition's Debian part contributes to an image's inputs digest."""
    lock = effective_lock(definition, cache)
    return {"packages": [one.sha256 for one in lock.packages], "leave_out": list(lock.leave_out), "root": ROOT_RECIPE}


def blobs(definition: Definition, cache: Path) -> list[Package]:
    """Return the packages a definition needs in the store."""
    return list(effective_lock(definition, cache).packages)


def lock(
    catalogue: Catalogue, names: Sequence[str], cache: Path, *, progress: Progress, mirrors: Mirrors | None = None
) -> list[str]:
    """Resolve the named definitions (all with packages when empty) and write their locks (network).

    Returns the changes as lines (`postgres: libpq5 17.6-0 -> 17.7-0`).

    Raises:
        InvalidInputError: `images.too_young`, `images.debs_upgrade_parent`.
        IntegrityError: `images.blob_differs`.
    """
    chosen = [one for one in catalogue.order if one.debs and (not names or one.name in names)]
    changes: list[str] = []
    with private_apt(catalogue.release.suite, catalogue.release.architecture, mirrors=mirrors) as apt:
        for one in chosen:
            with progress.step(f"lock Debian packages of {one.name}"):
                made = _resolve(apt, catalogue, one, cache)
                check_age(made, clock.now().date())
                file = lock_file(one)
                before = read_lock(file).packages if file.is_file() else ()
                write_atomic(file, render_lock(made).encode())
                changes += differences(one.name, before, made.packages)
    return changes


def differences(name: str, before: Sequence[Package], after: Sequence[Package]) -> list[str]:
    """Return what changed between two sets of packages, one line each."""
    old = {one.name: one for one in before}
    new = {one.name: one for one in after}
    lines = []
    for package in sorted(old.keys() | new.keys()):
        was, now = old.get(package), new.get(package)
        if was != now:
            text = f"{was.version if was else 'absent'} -> {now.version if now else 'absent'}"
            same = was is not None and now is not None and was.version == now.version
            lines.append(f"{name}: {package} {text}{' (other bytes)' if same else ''}")
    return lines


def _resolve(apt: Apt, catalogue: Catalogue, definition: Definition, cache: Path) -> Lock:
    installed = _installed(catalogue, definition, cache)
    stanzas = apt.resolve(definition.debs, installed=installed, leave_out=definition.leave_out)
    wanted = [
        Package(
            one["Package"], one["Version"], one["Architecture"], one["Filename"], int(one["Size"]), one["SHA256"], ""
        )
        for one in stanzas
    ]
    lost = [one.file for one in _download(apt, wanted, Store(cache))]
    if lost:
        raise NotFoundError(
            "images.deb_lost",
            f"images/{definition.name}: the mirror lists {', '.join(lost)} and does not give it",
            "look at the network or the mirror and run it again",
        )
    dated = [Package(**{**vars(one), "built": build_date(Store(cache).path(one.sha256))}) for one in wanted]
    request = tuple(sorted(definition.debs)), tuple(sorted(definition.leave_out))
    return Lock(catalogue.release.suite, *request, tuple(dated))


def _installed(catalogue: Catalogue, definition: Definition, cache: Path) -> list[Stanza]:
    store = Store(cache)
    stanzas: list[Stanza] = []
    for ancestor in catalogue.lineage(definition.name)[:-1]:
        stanzas += [read_control(store.want(one.sha256, one.file)) for one in blobs(ancestor, cache)]
        stanzas += [{"Package": name, "Version": "99999:0", "Architecture": "amd64"} for name in ancestor.leave_out]
    return stanzas


def check_age(made: Lock, today: date) -> None:
    """Refuse packages built less than MIN_AGE_DAYS before `today`, but for fixes.

    Raises:
        InvalidInputError: `images.too_young`.
    """
    young = [
        one.name
        for one in made.packages
        if not _is_security(one) and (today - date.fromisoformat(one.built)).days < MIN_AGE_DAYS
    ]
    if young:
        raise InvalidInputError(
            "images.too_young",
            f"built less than {MIN_AGE_DAYS} days ago: {', '.join(young)}",
            "wait, or lock again later; only security fixes may be younger",
        )


def _is_security(package: Package) -> bool:
    # Fixes carry +debNuM or ~debNuM; they reach the main archive by point releases and the updates suite.
    return package.path.startswith(SECURITY_PREFIX) or FIX_VERSION.search(package.version) is not None


def _download(apt: Apt, packages: Sequence[Package], store: Store) -> list[Package]:
    """Fetch what the store lacks and return what could not be had."""
    missing = [one for one in packages if not store.has(one.sha256)]
    lost = []
    with store.incoming() as folder:
        apt.download([Download(apt.mirrors.address(one.path), folder / one.sha256, one.sha256) for one in missing])
        for one in missing:
            arrived = folder / one.sha256
            if arrived.is_file():
                store.put(arrived, one.sha256)
            else:
                lost.append(one)
    return lost


def fetch(
    catalogue: Catalogue, names: Sequence[str], cache: Path, *, progress: Progress, mirrors: Mirrors | None = None
) -> list[str]:
    """Fetch every locked package of the named definitions and their parents into the store (network).

    Returns the differences where lost packages were replaced, as lines; empty when all is as locked.

    Raises:
        NotFoundError: `images.deb_lost` when neither a package nor a replacement can be had.
        IntegrityError: `images.blob_differs`.
    """
    wanted = {ancestor.name for name in names for ancestor in catalogue.lineage(name) if ancestor.debs}
    store = Store(cache)
    todo = [one for one in catalogue.order if one.name in wanted]
    if all(store.has(package.sha256) for one in todo for package in blobs(one, cache)):
        return []
    changes: list[str] = []
    release = catalogue.release
    with private_apt(release.suite, release.architecture, mirrors=mirrors, update=False) as apt:
        for one in todo:
            with progress.step(f"fetch Debian packages of {one.name}"):
                lost = _download(apt, blobs(one, cache), store)
            if lost:
                changes += _replace(catalogue, one, cache, mirrors=apt.mirrors)
    return changes


def _replace(catalogue: Catalogue, definition: Definition, cache: Path, *, mirrors: Mirrors) -> list[str]:
    release = catalogue.release
    with private_apt(release.suite, release.architecture, mirrors=mirrors) as apt:
        made = _resolve(apt, catalogue, definition, cache)
    committed = read_lock(lock_file(definition))
    write_atomic(_replacement_file(committed, definition, cache), render_lock(made).encode())
    return differences(definition.name, committed.packages, made.packages)


def collect(definition: Definition, cache: Path, into: Path) -> None:
    """Put a definition's packages into a build context (`into/*.deb`), each hashed again.

    Raises:
        NotFoundError: `images.not_fetched`.
        IntegrityError: `images.blob_damaged`.
    """
    store = Store(cache)
    for package in blobs(definition, cache):
        store.link(package.sha256, package.file, into)


@contextmanager
def _repository(packages: Sequence[Package], store: Store, suite: str) -> Iterator[Path]:
    """Give an apt repository that holds exactly these packages."""
    with scratch("repository.", parent=store.cache) as folder:
        folder.chmod(0o755)
        stanzas = []
        for package in packages:
            file = store.link(package.sha256, package.file, folder)
            extra = {"Filename": f"./{package.file}", "Size": str(package.size), "SHA256": package.sha256}
            stanzas.append({**read_control(file), **extra})
        index = render_stanzas(stanzas).encode()
        (folder / "Packages").write_bytes(index)
        # mmdebstrap looks for the essential packages of the suite it was asked for: the index must say which it is.
        (folder / "Release").write_text(f"Codename: {suite}\nSHA256:\n {sha256_hex(index)} {len(index)} Packages\n")
        yield folder


def make_root(catalogue: Catalogue, name: str, cache: Path, target: Path) -> None:
    """Make the root file system of a definition and its parents, from locked packages only, without a network.

    Args:
        catalogue: the checkout's definitions.
        name: whose packages, together with those of its parents.
        cache: where the store is.
        target: a folder that does not exist yet, or a file named `*.tar`.

    Raises:
        NotFoundError: `images.not_fetched`.
        PreconditionError: `process.missing_program`.
        ProcessError: `process.failed` with the end of what mmdebstrap said.
    """
    process.want_program("mmdebstrap", hint="install the package mmdebstrap")
    packages = [package for one in catalogue.lineage(name) for package in blobs(one, cache)]
    release = catalogue.release
    with (
        _repository(packages, Store(cache), release.suite) as repository,
        scratch("mmdebstrap.", parent=cache) as work,
    ):
        run_logged(
            [
                *("setpriv", "--pdeathsig", "TERM", "--", "unshare", "--net", "--mount", "--"),
                *("mmdebstrap", "--mode=root", "--variant=essential"),
                f"--format={'tar' if target.suffix == '.tar' else 'directory'}",
                f"--architectures={release.architecture}",
                "--skip=cleanup/apt,cleanup/mmdebstrap",  # the hooks remove all that apt left
                f"--include={','.join(one.name for one in packages)}",
                '--aptopt=APT::Sandbox::User "root"',
                *(f"--dpkgopt={option}" for option in DPKG_OPTIONS),
                *(f"--customize-hook={hook}" for hook in ROOT_HOOKS),
                *(release.suite, str(target), f"deb [trusted=yes] copy:{repository} ./"),
            ],
            log=cache / "log" / f"root-{name}.log",
            env={
                "SOURCE_DATE_EPOCH": str(release.epoch),
                "LC_ALL": "C.UTF-8",
                "DEBIAN_FRONTEND": "noninteractive",
                "TMPDIR": str(work),  # it leaves its apt configuration there
            },
            deadline_s=ROOT_DEADLINE_S,
        )


def root_digest(catalogue: Catalogue, name: str, cache: Path) -> str:
    """Return the digest of everything `make_root` depends on."""
    parts = [inputs(one, cache) for one in catalogue.lineage(name)]
    return digest_of([parts, list(DPKG_OPTIONS), list(ROOT_HOOKS), catalogue.release.epoch])


def buildroot(cache: Path) -> Path:
    """Return a Debian root with a C and C++ toolchain, made once from images/buildroot/debs.lock and kept in the cache.

    It is shared and must not be changed: builds bind-mount what they write to.

    Raises:
        NotFoundError: `images.not_fetched` when its packages are not in the store.
        PreconditionError, ProcessError: as `make_root`.
    """
    catalogue = load_catalogue(find_checkout())
    target = cache / "roots" / root_digest(catalogue, BUILDROOT, cache)
    with exclusive(cache / "roots" / "lock"):
        if not target.is_dir():
            building = target.with_name("building")
            if building.exists():
                shutil.rmtree(building)
            make_root(catalogue, BUILDROOT, cache, building)
            for old in target.parent.iterdir():
                if old.is_dir() and old != building:
                    shutil.rmtree(old)
            building.rename(target)
    return target
