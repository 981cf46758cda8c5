"""Is an instance well: its health command, run by us, because podman's timers need systemd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.base import clock

if TYPE_CHECKING:
    import threading

    from skerry.host.podman import Podman
    from skerry.stack.plan import Instance

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 1.0
RESTARTS_MAX = 5
SAID_CHARS = 200


def check_once(instance: Instance, podman: Podman) -> str | None:
    """Run the health command once; None when it is well, else why not."""
    health = instance.definition.health
    if health is None:
        return None
    done = podman.exec(instance.container, instance.health, deadline_s=health.timeout_s)
    if done.status == 0:
        return None
    said = " ".join((done.stderr or done.stdout).split())[-SAID_CHARS:]
    return f"its health command ended with {done.status}" + (f": {said}" if said else "")


def wait_until_well(instance: Instance, podman: Podman, *, stop: threading.Event) -> str | None:
    """Run the health command until it is well; None then, else why not.

    Gives up at the deadline of the definition, or earlier when the container keeps ending; it is stopped then, so that
    it does not go on for ever. Gives up at once when `stop` is set.
    """
    health = instance.definition.health
    if health is None:
        return None
    deadline = clock.monotonic() + health.start_deadline_s
    pause = FIRST_PAUSE_S
    reason: str | None = "it was not asked"
    while clock.monotonic() < deadline:
        reason = check_once(instance, podman)
        if reason is None:
            return None
        there = podman.container(instance.container)
        if there is not None and there.restarts >= RESTARTS_MAX:
            podman.run(["stop", "--time=1", instance.container], check=False)
            return f"it ended {there.restarts} times"
        if stop.wait(pause):
            return f"it was given up: {reason}"
        pause = min(pause * 2, LONGEST_PAUSE_S)
    return f"{reason} after {health.start_deadline_s} s"
