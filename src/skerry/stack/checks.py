"""What must hold between files: definitions, secrets, release, and the files they name.

Contract: every check raises InvalidInputError with a code of its own and a message that names file and key. Nothing is
written, nothing is run. What concerns one file alone was checked when it was read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.base.errors import InvalidInputError
from skerry.stack.definition import MADE, POOL_VARIABLES
from skerry.stack.graph import edges_of, service_subnets, start_levels
from skerry.stack.parse import Place
from skerry.stack.secrets import POOL_MARK
from skerry.stack.template import fill, names_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from skerry.stack.definition import Definition
    from skerry.stack.release import Release
    from skerry.stack.secrets import Secret

SITE_VARIABLES = ("site_name",)
ANY_ADDRESS = "0.0.0.0"  # noqa: S104  compared with, never bound


def check_all(
    definitions: Mapping[str, Definition], secrets: Mapping[str, Secret], *, release: Release, root: Path
) -> None:
    """Check what several files say together.

    Args:
        definitions: by name.
        secrets: by name.
        release: its uids.
        root: the checkout: images, files and templates are looked up in it.

    Raises:
        InvalidInputError: `stack.unknown_service`, `stack.cycle`, `stack.reaches_itself`, `stack.no_port`,
            `stack.reaches_pool`, `stack.too_many_edges`, `stack.port_twice`, `stack.second_edge`, `stack.unknown_uid`,
            `stack.uid_twice`, `stack.unknown_secret`, `stack.unknown_variable`, `stack.bad_template`,
            `stack.volume_two_writers`, `stack.volume_no_writer`, `stack.unknown_image`, `stack.no_source`,
            `stack.template_holds`, `stack.secret_nested`.
    """
    check_names(definitions)
    start_levels(definitions)
    check_edges(definitions)
    check_published(definitions)
    check_uids(definitions, release)
    check_variables(definitions)
    check_mounted_secrets(definitions, secrets)
    check_volumes(definitions)
    check_sources(definitions, root=root)
    check_templates(secrets, root=root)


def check_names(definitions: Mapping[str, Definition]) -> None:
    """Every name in `after` and `reaches` is a definition."""
    for item in definitions.values():
        for key, names in (("after", item.after), ("reaches", item.reaches)):
            for index, name in enumerate(names):
                if name not in definitions:
                    raise _bad(
                        "unknown_service",
                        f"{_place(item, key).at(index)}: there is no service {name!r}",
                        f"known: {', '.join(sorted(definitions))}",
                    )


def check_edges(definitions: Mapping[str, Definition]) -> None:
    """An edge leads from one definition to another that listens and is there once."""
    for item in definitions.values():
        for index, name in enumerate(item.reaches):
            here, server = _place(item, "reaches").at(index), definitions[name]
            if name == item.name:
                raise _bad("reaches_itself", f"{here}: {name} reaches itself", "leave it out: loopback is always there")
            if server.instances == "pool":
                raise _bad("reaches_pool", f"{here}: {name} has an instance per pool", "let the instances call")
            if not server.ports:
                raise _bad("no_port", f"{here}: {name} listens on no port", f"give {server.file} a [ports] table")
        for index, name in enumerate(item.after):
            if definitions[name].instances == "pool":
                here = _place(item, "after").at(index)
                raise _bad("reaches_pool", f"{here}: {name} has an instance per pool", "there may be none to wait for")
    service_subnets([edge for edge in edges_of(definitions) if definitions[edge.client].instances == "one"])


def check_published(definitions: Mapping[str, Definition]) -> None:
    """No two lead in by the same port of the host, and one definition only does: it is the edge."""
    taken: list[tuple[str, int, Place]] = []
    for item in definitions.values():
        for index, publish in enumerate(item.publish):
            here = _place(item, "publish").at(index).inside("port")
            for address, port, other in taken:
                same = address == publish.address or ANY_ADDRESS in (address, publish.address)
                if port == publish.port and same:
                    raise _bad("port_twice", f"{here} is {port}, like {other}", "publish each port of the host once")
            taken.append((publish.address, publish.port, here))
    edges = [item for item in definitions.values() if item.publish]
    if len(edges) > 1:
        raise _bad(
            "second_edge",
            f"{_place(edges[1], 'publish')}: {edges[0].name} publishes ports already",
            "everything comes in through one edge",
        )


def check_uids(definitions: Mapping[str, Definition], release: Release) -> None:
    """Each definition has a uid of its own, which release.toml knows."""
    owners: dict[str, Definition] = {}
    for item in definitions.values():
        here = _place(item, "uid")
        if item.uid not in release.uids:
            raise _bad("unknown_uid", f"{here}: release.toml has no uid {item.uid!r}", "add it to [uids]")
        if other := owners.get(item.uid):
            raise _bad("uid_twice", f"{here} is {item.uid!r}, like that of {other.file}", "give each its own")
        owners[item.uid] = item


def check_variables(definitions: Mapping[str, Definition]) -> None:
    """Every `${name}` stands for something."""
    for item in definitions.values():
        names = SITE_VARIABLES + (POOL_VARIABLES if item.instances == "pool" else ())
        known = dict.fromkeys(names, "")
        health = item.health.command if item.health else ()
        for key, words in (("command", item.command), ("health.command", health)):
            for index, word in enumerate(words):
                fill(word, known, where=str(_place(item, key).at(index)))
        for name, value in item.environment.items():
            fill(value, known, where=str(_place(item, "environment").inside(name)))
        for index, mount in enumerate(item.secrets):
            fill(mount.name, known, where=str(_place(item, "secrets").at(index).inside("name")))


def check_mounted_secrets(definitions: Mapping[str, Definition], secrets: Mapping[str, Secret]) -> None:
    """Every mounted secret is made by somebody."""
    for item in definitions.values():
        for index, mount in enumerate(item.secrets):
            if mount.name not in secrets:
                here = _place(item, "secrets").at(index).inside("name")
                raise _bad("unknown_secret", f"{here}: nobody makes {mount.name!r}", "add it to appliance/secrets.toml")


def check_volumes(definitions: Mapping[str, Definition]) -> None:
    """Each volume has exactly one definition that writes it: its owner."""
    writers: dict[str, Definition] = {}
    for item in definitions.values():
        for index, volume in enumerate(item.volumes):
            here = _place(item, "volumes").at(index)
            if volume.read_only:
                continue
            if other := writers.get(volume.name):
                raise _bad(
                    "volume_two_writers", f"{here}: {other.name} writes {volume.name!r} already", "set read_only"
                )
            writers[volume.name] = item
    for item in definitions.values():
        for index, volume in enumerate(item.volumes):
            if volume.name not in writers:
                here = _place(item, "volumes").at(index)
                raise _bad("volume_no_writer", f"{here}: nobody writes {volume.name!r}", "one must mount it writable")


def check_sources(definitions: Mapping[str, Definition], *, root: Path) -> None:
    """Images and files that are named exist in the checkout, or are known to be made."""
    for item in definitions.values():
        if not (root / "images" / item.image).is_dir():
            raise _bad("unknown_image", f"{_place(item, 'image')}: there is no images/{item.image}", "make the folder")
        for index, file in enumerate(item.files):
            here = _place(item, "files").at(index).inside("source")
            if file.made and file.source not in MADE:
                raise _bad("no_source", f"{here}: nothing makes {file.source}", f"known: {', '.join(MADE)}")
            if not file.made and not (root / file.source).exists():
                raise _bad("no_source", f"{here}: there is no {file.source}", "add the file")


def check_templates(secrets: Mapping[str, Secret], *, root: Path, file: str = "appliance/secrets.toml") -> None:
    """A rendered secret's template exists and holds exactly what is declared; all of it random values."""
    for secret in secrets.values():
        if secret.kind != "rendered":
            continue
        place = Place(file, secret.name)
        path = root / secret.template
        if not path.is_file():
            raise _bad("no_source", f"{place.inside('template')}: there is no {secret.template}", "add the file")
        for held in secret.holds:
            if held not in secrets:
                raise _bad("unknown_secret", f"{place.inside('holds')}: nobody makes {held!r}", f"add it to {file}")
            if secrets[held].kind != "random" or POOL_MARK in held:
                raise _bad("secret_nested", f"{place.inside('holds')}: {held!r} is not random", "hold random ones only")
        asked = set(names_in(path.read_text(), where=secret.template)) - set(SITE_VARIABLES)
        if asked != set(secret.holds):
            differ = ", ".join(sorted(asked ^ set(secret.holds)))
            raise _bad(
                "template_holds", f"{place.inside('holds')} and {secret.template} differ in {differ}", "make them agree"
            )


def _place(item: Definition, key: str) -> Place:
    return Place(item.file, key)


def _bad(what: str, message: str, hint: str) -> InvalidInputError:
    return InvalidInputError(f"stack.{what}", message, hint)
