"""apt in a root of its own: resolves and downloads Debian packages apart from what this machine has installed.

Contract: the machine lends three things only: the mirrors it is configured for, its way out (`Acquire::*`, which
holds proxies) and Debian's archive keys. The suite is ours. apt checks the signatures of the indices; every package
is then held to its SHA-256.
Source: apt.conf(5), sources.list(5), deb822(5), apt-get(8).
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skerry.base import process
from skerry.base.errors import InvalidInputError, NotFoundError, PreconditionError
from skerry.images.deb import Stanza, parse_stanzas
from skerry.images.steps import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
HELPER = Path("/usr/lib/apt/apt-helper")
SECURITY_PREFIX = "pool/updates/"  # where the security archive keeps its files; the main archive has no such folder
DOWNLOAD_DEADLINE_S = 1800.0
INSTALL_LINE = re.compile(r"^Inst (?P<name>\S+)(?: \[(?P<old>[^\]]*)\])? \((?P<version>\S+) .*\[(?P<arch>\w+)\]\)")


@dataclass(frozen=True)
class Mirrors:
    """Base addresses of the main and the security archive; never written to a lock."""

    main: str
    security: str

    def address(self, pool_path: str) -> str:
        """Return where a file of the pool is fetched from."""
        base = self.security if pool_path.startswith(SECURITY_PREFIX) else self.main
        return f"{base.rstrip('/')}/{pool_path}"


@dataclass(frozen=True)
class Download:
    """One file to fetch; `sha256` may be empty when it is not known yet."""

    address: str
    target: Path
    sha256: str = ""


def find_mirrors(etc_apt: Path = Path("/etc/apt"), os_release: Path = Path("/etc/os-release")) -> Mirrors:
    """Return the Debian mirrors this machine is configured for.

    Raises:
        PreconditionError: `images.no_debian_mirror` when its apt names none.
    """
    codename = _codename(os_release)
    entries = list(_entries(etc_apt))
    main = [address for address, suite in entries if suite == codename]
    security = [address for address, suite in entries if suite == f"{codename}-security"]
    if not main or not security:
        raise PreconditionError(
            "images.no_debian_mirror",
            f"{etc_apt}/sources.list* names no Debian mirror with the suites {codename} and {codename}-security",
            "add both to apt's sources (debian.sources), so that we know where to fetch Debian packages",
        )
    # Other publishers also use suite names of Debian's; a Debian mirror ends in /debian by convention.
    main.sort(key=lambda address: not address.rstrip("/").endswith("/debian"))
    return Mirrors(main[0], security[0])


def _codename(os_release: Path) -> str:
    text = os_release.read_text() if os_release.is_file() else ""
    found = re.search(r'^VERSION_CODENAME="?(\w+)"?$', text, re.MULTILINE)
    return found.group(1) if found else ""


def _entries(etc_apt: Path) -> Iterator[tuple[str, str]]:
    """Yield (address, suite) of every `deb` source with the component main."""
    parts = etc_apt / "sources.list.d"
    for file in (etc_apt / "sources.list", *sorted(parts.glob("*.list"))):
        if file.is_file():
            for line in file.read_text().splitlines():
                yield from _entry_of_line(line)
    for file in sorted(parts.glob("*.sources")):
        text = "".join(line for line in file.read_text().splitlines(keepends=True) if not line.startswith("#"))
        for stanza in parse_stanzas(text):
            fields = {key.lower(): value.split() for key, value in stanza.items()}
            if "deb" not in fields.get("types", []) or "main" not in fields.get("components", []):
                continue
            if fields.get("enabled") == ["no"]:
                continue
            for address in fields.get("uris", []):
                for suite in fields.get("suites", []):
                    yield address, suite


def _entry_of_line(line: str) -> Iterator[tuple[str, str]]:
    words = re.sub(r"\[[^\]]*\]", " ", line.split("#", maxsplit=1)[0]).split()
    if len(words) > 3 and words[0] == "deb" and "main" in words[3:]:  # noqa: PLR2004  deb ADDRESS SUITE COMPONENT...
        yield words[1], words[2]


@dataclass(frozen=True)
class Apt:
    """A private apt root with the indices of one suite."""

    root: Path
    mirrors: Mirrors

    def resolve(
        self, asked: Sequence[str], *, installed: Sequence[Stanza] = (), leave_out: Sequence[str] = ()
    ) -> list[Stanza]:
        """Return the index entries of every package that `asked` needs on top of `installed`, sorted by name.

        Args:
            asked: package names.
            installed: index entries of what the parent image has.
            leave_out: names that are treated as there already, so that neither they nor what only they need is taken.

        Raises:
            InvalidInputError: `images.debs_upgrade_parent` when a package of the parent would be replaced.
            ProcessError: `process.failed` when apt finds no solution.
        """
        status = "".join(_status_stanza(stanza) for stanza in installed)
        status += "".join(_status_stanza(_pretended(name)) for name in leave_out)
        (self.root / "var/lib/dpkg/status").write_text(status)
        plan = self._run("apt-get", "--simulate", "install", *asked).stdout
        chosen = [match for line in plan.splitlines() if (match := INSTALL_LINE.match(line))]
        upgraded = sorted(match["name"] for match in chosen if match["old"])
        if upgraded:
            raise InvalidInputError(
                "images.debs_upgrade_parent",
                f"{', '.join(upgraded)}: newer than in the parent image",
                "lock the parent image too: skerry images lock",
            )
        wanted = {(match["name"].split(":")[0], match["version"]) for match in chosen}
        if not wanted:
            return []
        shown = parse_stanzas(self._run("apt-cache", "show", *(f"{name}={version}" for name, version in wanted)).stdout)
        found = {(stanza["Package"], stanza["Version"]): stanza for stanza in shown if "SHA256" in stanza}
        missing = sorted(name for name, version in wanted if (name, version) not in found)
        if missing:
            raise NotFoundError(
                "images.deb_unknown", f"the index has no entry for {', '.join(missing)}", "run it again"
            )
        return [found[key] for key in sorted(found)]

    def download(self, files: Sequence[Download]) -> None:
        """Fetch files with apt's own transports; what cannot be had is left out: the caller looks at what arrived."""
        if not files:
            return
        words: list[str] = []
        for file in files:
            words += [file.address, str(file.target), f"SHA256:{file.sha256}" if file.sha256 else ""]
        process.run([HELPER, "download-file", *words], env=self._env, check=False, deadline_s=DOWNLOAD_DEADLINE_S)

    @property
    def _env(self) -> Mapping[str, str]:
        return {"APT_CONFIG": str(self.root / "apt.conf"), "LC_ALL": "C.UTF-8"}

    def _run(self, *arguments: str) -> process.Completed:
        return process.run(arguments, env=self._env)


def _pretended(name: str) -> Stanza:
    # A version above all others meets every versioned dependency; `allowed` meets `name:any`.
    return {"Package": name, "Version": "99999:0", "Architecture": "amd64", "Multi-Arch": "allowed"}


def _status_stanza(stanza: Stanza) -> str:
    kept = {
        key: value for key, value in stanza.items() if key not in ("Filename", "Size", "SHA256", "MD5sum", "Status")
    }
    lines = {
        **kept,
        "Status": "install ok installed",
        "Maintainer": "nobody <nobody@localhost>",
        "Description": "locked",
    }
    return "".join(f"{key}: {value}\n" for key, value in lines.items()) + "\n"


@contextmanager
def private_apt(suite: str, architecture: str, *, mirrors: Mirrors | None = None, update: bool = True) -> Iterator[Apt]:
    """Give a private apt root for a Debian suite with its updates and security fixes; it is removed at the end.

    Args:
        suite: code name, e.g. `trixie`.
        architecture: Debian's name of it, e.g. `amd64`.
        mirrors: where to fetch; this machine's when None.
        update: load the indices (network); False for downloads only.

    Raises:
        PreconditionError: `process.missing_program`, `images.no_archive_keys`, `images.no_debian_mirror`.
    """
    process.want_program("apt-get", hint="images are built on Debian or a derivative of it")
    if not KEYRING.is_file():
        raise PreconditionError("images.no_archive_keys", f"{KEYRING} is missing", "install debian-archive-keyring")
    chosen = mirrors or find_mirrors()
    with scratch("skerry-apt.") as root:
        _lay_out(root, suite, architecture, chosen)
        apt = Apt(root, chosen)
        if update:
            apt._run("apt-get", "update", "-o", "APT::Update::Error-Mode=any")  # noqa: SLF001  same module
        yield apt


def _lay_out(root: Path, suite: str, architecture: str, mirrors: Mirrors) -> None:
    for name in (
        "etc/apt/preferences.d",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
        "var/lib/dpkg",
    ):
        (root / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    signed = f"deb [arch={architecture} signed-by={KEYRING}]"
    (root / "etc/apt/sources.list").write_text(
        f"{signed} {mirrors.main} {suite} main\n"
        f"{signed} {mirrors.main} {suite}-updates main\n"
        f"{signed} {mirrors.security} {suite}-security main\n"
    )
    way_out = process.run(["apt-config", "dump", "Acquire"]).stdout
    (root / "apt.conf").write_text(
        f"{way_out}\n"
        f'Dir "{root}/";\n'
        f'Dir::State::status "{root}/var/lib/dpkg/status";\n'
        f'APT::Architecture "{architecture}";\n'
        f'APT::Architectures {{ "{architecture}"; }};\n'
        'APT::Install-Recommends "false";\n'
        'APT::Sandbox::User "root";\n'  # the unprivileged download user cannot write to a folder of ours
        'Acquire::Languages "none";\n'
        'Acquire::Retries "3";\n'
        'Debug::NoLocking "true";\n'
    )
