"""An appliance of four small parts, so that the driver itself can be tried in seconds, again and again.

store (keeps a count on its volume) <- prepare (job) ; store <- front (published) <- worker (an instance per pool)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skerry.base.paths import Checkout
from skerry.base.progress import Progress
from skerry.host import local
from skerry.host.machine import Machine
from skerry.host.podman import Podman, open_podman
from skerry.host.settings import HostSettings
from skerry.host.state import State
from skerry.host.status import read_status
from skerry.stack.plan import Plan, Site

if TYPE_CHECKING:
    from pathlib import Path

    from skerry.host.status import Row

PREFIX = "skerry-small"
ADDRESSES = "10.215.0.0/16"
PORT = 17443
QUEUE = "00000000-0000-7000-8000-000000000011"
ORGANIZATION = "00000000-0000-7000-8000-0000000000aa"

RELEASE = """
[product]
name = "small"
version = "0.0.1"
source_date_epoch = 1793491200
licence = "Apache-2.0"
[debian]
suite = "trixie"
architecture = "amd64"
[toolchain]
go = "1.26.8"
cpu = "x86-64"
[uids]
store = 2901
prepare = 2902
front = 2903
worker = 2904
"""

SECRETS = """
[store-key]
kind = "random"
about = "opens the store"
[store-config]
kind = "rendered"
about = "the store's configuration"
template = "appliance/config/store.in"
holds = ["store-key"]
["worker-${queue_id}"]
kind = "enrolled"
about = "a pool's key"
"""

SERVER = '''\
"""Answers a line to everybody; keeps how often it was started."""
import pathlib, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
count = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
if count:
    count.write_text(str(int(count.read_text()) + 1 if count.exists() else 1))
server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
print("listening", flush=True)
while True:
    connection, _ = server.accept()
    connection.sendall(b"well\\n")
    connection.close()
'''

CLIENT = '''\
"""Exit 0 when the address answers."""
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2) as connection:
    sys.exit(connection.recv(5) != b"well\\n")
'''

WAIT = '''\
"""Wait to be ended."""
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
signal.pause()
'''

STORE = """
kind = "service"
about = "keeps a count"
image = "python"
uid = "store"
command = ["/usr/bin/python3.13", "/etc/small/server.py", "7000", "/data/count"]
[ports]
main = 7000
[[files]]
source = "appliance/config/programs"
target = "/etc/small"
[[volumes]]
name = "store"
target = "/data"
[[secrets]]
name = "store-config"
target = "/run/secrets/store-config"
[[tmpfs]]
target = "/tmp"
size_mib = 4
[health]
command = ["/usr/bin/python3.13", "/etc/small/client.py", "127.0.0.1", "7000"]
start_deadline_s = 20
[limits]
memory_mib = 64
tasks = 32
"""

PREPARE = """
kind = "job"
about = "asks the store"
image = "python"
uid = "prepare"
command = ["/usr/bin/python3.13", "/etc/small/client.py", "store", "7000"]
after = ["store"]
reaches = ["store"]
[[files]]
source = "appliance/config/programs"
target = "/etc/small"
[limits]
memory_mib = 64
"""

FRONT = f"""
kind = "service"
about = "lets people in"
image = "python"
uid = "front"
command = ["/usr/bin/python3.13", "/etc/small/server.py", "7443"]
after = ["prepare"]
reaches = ["store"]
[ports]
main = 7443
[[publish]]
port = {PORT}
to = "main"
address = "0.0.0.0"
[[files]]
source = "appliance/config/programs"
target = "/etc/small"
[health]
command = ["/usr/bin/python3.13", "/etc/small/client.py", "store", "7000"]
start_deadline_s = 20
[limits]
memory_mib = 64
"""

WORKER = """
kind = "service"
about = "works"
image = "python"
uid = "worker"
command = ["/usr/bin/python3.13", "/etc/small/wait.py"]
instances = "pool"
after = ["front"]
reaches = ["front"]
[[files]]
source = "appliance/config/programs"
target = "/etc/small"
[[secrets]]
name = "worker-${queue_id}"
target = "/run/secrets/worker-key"
[security]
userns = "pool"
[health]
command = ["/usr/bin/python3.13", "/etc/small/client.py", "front", "7443"]
start_deadline_s = 20
[limits]
memory_mib = 64
"""

FILES = {
    "appliance/release.toml": RELEASE,
    "appliance/secrets.toml": SECRETS,
    "appliance/services/store.toml": STORE,
    "appliance/services/prepare.toml": PREPARE,
    "appliance/services/front.toml": FRONT,
    "appliance/services/worker.toml": WORKER,
    "appliance/config/store.in": "key = ${store-key}\n",
    "appliance/config/programs/server.py": SERVER,
    "appliance/config/programs/client.py": CLIENT,
    "appliance/config/programs/wait.py": WAIT,
    "images/python/image.toml": "",
}


@dataclass(frozen=True)
class Small:
    """The small appliance in a folder of its own, on a site of its own."""

    checkout: Checkout
    state: State
    image: str

    @property
    def podman(self) -> Podman:
        return open_podman(self.state, HostSettings(self.state.root, ""))

    @property
    def plan(self) -> Plan:
        return local.load_plan(self.checkout, self.state, images={"python": self.image})

    def driver(self) -> local.Driver:
        return local.Driver(self.plan, self.podman, self.state, Machine(), self.checkout.root, Progress())

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in one of the appliance's files."""
        file = self.checkout.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def ids(self) -> dict[str, str]:
        """Return the ids of the containers that are there."""
        mark = f"--filter=label=skerry.state={self.state.root}"
        done = self.podman.run(["ps", "--all", "--format={{.Names}} {{.ID}}", mark])
        return dict(line.split() for line in done.stdout.splitlines())

    def rows(self) -> dict[str, Row]:
        """Return what status says, by name."""
        return {row.name: row for row in read_status(self.plan, self.podman)}

    def pid(self, name: str) -> int:
        return self.podman.containers()[self.plan.instances[name].container].pid

    def down(self) -> None:
        local.down(self.podman, self.state, prefix=PREFIX, progress=Progress())

    def clean(self) -> None:
        local.clean(self.podman, self.state, prefix=PREFIX, progress=Progress())


def make_small(folder: Path, image: str) -> Small:
    """Write the appliance and its site below `folder`."""
    for path, text in FILES.items():
        file = folder / "checkout" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    state = State(folder / "state")
    state.make_folders()
    state.store_site(Site("small.example", PREFIX, ADDRESSES))
    return Small(Checkout(folder / "checkout"), state, image)
