"""Programs of the host that answer as a test wants, because this one's cannot be brought to: scripts on a PATH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.host.podman import Podman

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def put_program(folder: Path, name: str, text: str) -> None:
    """Write a shell script that runs under `name` wherever PATH begins with `folder`."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def podman_saying(folder: Path, answers: Mapping[str, str]) -> Podman:
    """Return a Podman whose program prints `answers[SUBCOMMAND]`, and nothing to others."""
    cases = "".join(f"  {name}) echo '{answer}' ;;\n" for name, answer in answers.items())
    put_program(folder, "podman", f'case "$1" in\n{cases}esac')
    return Podman({"PATH": f"{folder}:/usr/bin:/bin"}, state_label="test")
