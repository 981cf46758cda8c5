"""The renderings of the committed appliance as files, so that a change shows what it changes.

`python -m skerry.stack.goldens` writes appliance/schema/ and tests/vectors/stack/; tests compare them with what is
rendered now. Look at the difference before you commit it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from skerry.base.errors import SkerryError
from skerry.base.paths import find_checkout, write_atomic
from skerry.stack.appliance import load_appliance
from skerry.stack.plan import Pool, Site, make_plan
from skerry.stack.render_compose import render_compose
from skerry.stack.render_nftables import render_nftables
from skerry.stack.render_podman import HostFiles, create_container, create_holder, create_network, create_volume
from skerry.stack.render_quadlet import render_quadlet
from skerry.stack.schema import render_schemas

if TYPE_CHECKING:
    from skerry.base.paths import Checkout
    from skerry.stack.plan import Plan

# A pool that exists nowhere, so that its instance is in the vectors.
EXAMPLE_POOL = Pool("00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-0000000000aa", slot=0)
EXAMPLE_SITE = Site(name="skerry.example")
VECTORS = "tests/vectors/stack"


def example_plan(checkout: Checkout) -> Plan:
    """Return the plan of the committed appliance on a site that exists nowhere, with one worker pool."""
    appliance = load_appliance(checkout)
    names = {item.image for item in appliance.definitions.values()}
    images = {name: f"localhost/skerry/{name}:example" for name in sorted(names)}
    return make_plan(appliance, site=EXAMPLE_SITE, images=images, pools=[EXAMPLE_POOL])


def render_goldens(checkout: Checkout) -> dict[str, str]:
    """Return every golden text by its path in the checkout.

    Raises:
        InvalidInputError: `stack.*` when appliance/ does not pass its checks.
    """
    plan = example_plan(checkout)
    schemas = {f"appliance/schema/{name}": text for name, text in render_schemas().items()}
    units = "".join(f"==> /{path}\n{text}\n" for path, text in render_quadlet(plan).items())
    return schemas | {
        f"{VECTORS}/podman.txt": render_podman_text(plan),
        f"{VECTORS}/quadlet.txt": units,
        f"{VECTORS}/compose.yaml": render_compose(plan),
        f"{VECTORS}/network.nft": render_nftables(plan),
    }


def render_podman_text(plan: Plan) -> str:
    """Return the commands of `skerry stack up` in their order, a word a line."""
    labels = {"skerry.state": "/var/lib/skerry/local"}
    commands = [create_network(network, labels=labels) for network in plan.networks.values()]
    commands += [create_volume(volume, labels=labels) for volume in plan.volumes.values()]
    for level in plan.levels:
        for name in level:
            item = plan.instances[name]
            folder = Path("/var/lib/skerry/local")
            sources = {file.source: folder / "files" / file.source for file in item.definition.files}
            files = HostFiles(sources, folder / "hosts" / item.container)
            if item.pool:
                commands.append(create_holder(item, item.pool, labels=labels, limits=True))
            commands.append(create_container(item, files, labels=labels, limits=True))
    return "\n".join("podman " + "\n    ".join(words) + "\n" for words in commands)


def main() -> int:
    """Write the goldens; return the exit status."""
    checkout = find_checkout()
    try:
        goldens = render_goldens(checkout)
    except SkerryError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return 1
    for path, text in goldens.items():
        write_atomic(checkout.root / path, text.encode())
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
