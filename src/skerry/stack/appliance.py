"""The whole of appliance/ as one object: read, then checked.

Contract: whoever holds an Appliance holds one that passed every check; renderings need not look again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skerry.stack.checks import check_all
from skerry.stack.definition import Definition, load_definition
from skerry.stack.release import Release, load_release
from skerry.stack.secrets import Secret, load_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skerry.base.paths import Checkout


@dataclass(frozen=True)
class Appliance:
    """Definitions and secrets by name, sorted, and the release."""

    release: Release
    definitions: Mapping[str, Definition]
    secrets: Mapping[str, Secret]


def load_appliance(checkout: Checkout) -> Appliance:
    """Return what the checkout's appliance/ says.

    Raises:
        InvalidInputError: `stack.*`, for the first thing that is wrong; file and key are in the message.
    """
    root = checkout.root
    release = load_release(checkout.release, root=root)
    secrets = load_secrets(checkout.secrets, root=root)
    paths = sorted(checkout.services.glob("*.toml"))
    definitions = {path.stem: load_definition(path, root=root) for path in paths}
    check_all(definitions, secrets, release=release, root=root)
    return Appliance(release, definitions, secrets)
