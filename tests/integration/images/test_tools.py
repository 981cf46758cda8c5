"""`make tools` after an installation that was killed: on a copy of this machine's own root, thrown away afterwards."""

from __future__ import annotations

import os

import pytest

from skerry.base.paths import find_checkout
from skerry.base.process import Completed, run

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts"),
]
# $1 is the checkout, $2 the command. unzip is left unconfigured; package sources are left out, so nothing is fetched.
PLACE = """set -eu
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
mount --bind /dev /mnt/root/dev
mount --bind /proc /mnt/root/proc
mkdir /mnt/root/mnt/checkout
mount --bind "$1" /mnt/root/mnt/checkout
rm -rf /mnt/root/etc/apt/sources.list /mnt/root/etc/apt/sources.list.d
cd /mnt/root/var/lib/dpkg
awk -v RS= -v ORS='\\n\\n' '/^Package: unzip\\n/ { sub("ok installed", "ok half-configured") } 1' status > status.new
mv status.new status
awk -v RS= '/^Package: unzip\\n/' status > updates/0000
exec chroot /mnt/root sh -c "$2"
"""


def after_a_kill(command: str) -> Completed:
    words = ["unshare", "--mount", "--propagation=private", "sh", "-c", PLACE, "sh", str(find_checkout().root), command]
    return run(words, check=False)


def test_an_installation_that_was_killed_is_finished() -> None:
    assert "half-configured" in after_a_kill("dpkg-query -W -f '${Status}' unzip").stdout
    plain = after_a_kill("apt-get install -y -qq unzip")
    assert "dpkg was interrupted" in plain.stderr, "the place does not show the fault"
    done = after_a_kill("/mnt/checkout/scripts/tools && dpkg --audit && dpkg-query -W -f 'now ${Status}' unzip")
    assert done.status == 0, done.stderr
    assert "installing what this machine lacks: unzip" in done.stdout
    assert "now install ok installed" in done.stdout
