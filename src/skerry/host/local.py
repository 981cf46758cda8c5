"""A stack on this host, driven through podman: up, down, clean.

Contract: every step looks at what is there and does what is missing, so a command that was interrupted anywhere is
mended by the next `up` or `down`. Nothing of the truth is kept beside podman: a container carries the digest of
everything it was made from, and one whose digest is unchanged is kept as it runs.

Jobs are repeatable by definition. One runs again unless its finished container is there with the same digest and exit
status 0, and nothing it comes after was made anew in the same `up`. So each `up` after a `down` runs them, and a second
`up` on a running stack does not.
"""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from skerry.base import clock
from skerry.base.canonical import digest_of
from skerry.base.errors import PreconditionError, ProcessError
from skerry.base.paths import default_cache
from skerry.host import health
from skerry.host.bridges import remove_strays
from skerry.host.files import Staged, remove_unused, stage_files
from skerry.host.holders import is_lost, lost_networks
from skerry.host.ingress import apply_filter, remove_filter
from skerry.host.networks import changed_networks, ensure_networks, join_pools, remove_networks
from skerry.host.podman import LABEL_DIGEST, LABEL_HOLDS, LABEL_INSTANCE, LABEL_LEVEL
from skerry.host.pools import load_pools
from skerry.host.secrets import hand_over, make_secrets
from skerry.stack.appliance import load_appliance
from skerry.stack.graph import needs_of
from skerry.stack.plan import make_plan
from skerry.stack.render_podman import create_container, create_holder, create_volume

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from skerry.base.paths import Checkout
    from skerry.base.progress import Progress
    from skerry.host.machine import Machine
    from skerry.host.podman import Container, Podman
    from skerry.host.state import State
    from skerry.stack.plan import Instance, Plan

JOB_DEADLINE_S = 900.0
JOB_PAUSE_S = 0.3
STOP_DEADLINE_S = 660.0
REMOVE_ATTEMPTS = 6
REMOVE_PAUSE_S = 0.5
LOG_TAIL_LINES = 15
# Starting is mostly waiting; more at a time than there are processors is right.
PARALLEL = 8
# A container in another state (stopping, removing, unknown) is the rest of something interrupted.
KEPT_STATES = frozenset({"running", "paused", "exited", "created", "stopped"})


@dataclass
class Driver:
    """One site's stack on one host. Hold the state's lock while you change anything."""

    plan: Plan
    podman: Podman
    state: State
    machine: Machine
    root: Path
    progress: Progress
    cache: Path = field(default_factory=default_cache)
    _made: set[str] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def up(self) -> None:
        """Bring everything to what the plan says and wait until it is well.

        Raises:
            ProcessError: `host.job_failed`, `host.not_well` with the end of what the container said.
        """
        prepared = self._prepare()
        with self.progress.step("networks and packet filter"):
            self._make_networks(prepared, self.podman.containers(), changed_networks(self.plan, self.podman))
            self._ensure_volumes()
        self._bring(list(self.plan.instances.values()), prepared)
        remove_unused(prepared.staged, self.plan)

    def up_one(self, name: str) -> None:
        """Bring one instance up beside a running stack, a worker pool that was just enrolled; others stay as they are.

        Raises:
            ProcessError: `host.not_well`.
        """
        prepared = self._prepare()
        instance = self.plan.instances[name]
        with self.progress.step(f"networks of {name}"):
            there = self.podman.containers()
            own = {container: there[container] for container in instance.containers if container in there}
            self._make_networks(prepared, own, set())
        self._bring([instance], prepared)

    def _prepare(self) -> Prepared:
        self.state.make_folders()
        with self.progress.step("secrets and configuration"):
            secrets = hand_over(make_secrets(self.plan, self.state, root=self.root), self.plan, self.state, self.podman)
            staged = stage_files(self.plan, self.state, root=self.root, cache=self.cache)
            images = self.podman.image_ids()
        limits = self.machine.can_limit()
        digests = {
            item.name: digest_instance(item, staged, secrets=secrets, image=images.get(item.image, ""), limits=limits)
            for item in self.plan.instances.values()
        }
        return Prepared(staged, digests, limits=limits)

    def _make_networks(self, prepared: Prepared, there: Mapping[str, Container], changed: set[str]) -> None:
        """Remove the obsolete containers among `there` and the changed networks, then make what is missing."""
        lost = lost_networks(self.plan, there)
        self._remove_obsolete(prepared, there)
        remove_networks(changed | lost, self.podman)
        remove_strays(self.plan.site.addresses, self.podman, progress=self.progress)
        apply_filter(self.plan)
        ensure_networks(self.plan, self.podman)
        join_pools(self.plan, self.podman)

    def _remove_obsolete(self, prepared: Prepared, there: Mapping[str, Container]) -> None:
        wanted = {
            name: prepared.digests[item.name] for item in self.plan.instances.values() for name in item.containers
        }
        gone = {
            item.name
            for item in there.values()
            if wanted.get(item.name) != item.labels.get(LABEL_DIGEST) or item.status not in KEPT_STATES
        }
        for instance in self.plan.instances.values():
            # An instance cannot change its holder: both go.
            if is_lost(instance, there) or gone & set(instance.containers):
                gone |= there.keys() & set(instance.containers)
        remove_containers([there[name] for name in sorted(gone)], self.podman, progress=self.progress)

    def _ensure_volumes(self) -> None:
        there = self.podman.volumes()
        for volume in self.plan.volumes.values():
            if volume.name not in there:
                self.podman.run(create_volume(volume, labels=self.podman.labels))

    def _bring(self, instances: list[Instance], prepared: Prepared) -> None:
        """Start each as soon as what it comes after is ready; the first failure stops new starts."""
        waiting = {item.name: item for item in instances}
        done: set[str] = {name for name in self.plan.instances if name not in waiting}
        running: dict[Future[None], str] = {}
        failure: BaseException | None = None
        with ThreadPoolExecutor(PARALLEL) as threads:
            try:
                while running or (waiting and failure is None):
                    ready = [item for item in waiting.values() if set(item.definition.after) <= done]
                    for item in ready if failure is None else ():
                        running[threads.submit(self._bring_one, item, prepared)] = waiting.pop(item.name).name
                    finished, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        name = running.pop(future)
                        if error := future.exception():
                            failure = failure or error
                            self._stop.set()
                        done.add(name)
            finally:
                # Ctrl-C lands here: those that wait for something give up, and the pool can close.
                self._stop.set()
        if failure is not None:
            raise failure

    def _bring_one(self, instance: Instance, prepared: Prepared) -> None:
        if instance.definition.kind == "job":
            self._run_job(instance, prepared)
        else:
            self._start_service(instance, prepared)

    def _run_job(self, instance: Instance, prepared: Prepared) -> None:
        there = self._wait_for_earlier(instance)
        needs = needs_of(instance.definition.name, self.plan.appliance.definitions)
        if there and there.status == "exited" and there.exit_code == 0 and not needs & self._made:
            return
        with self.progress.step(f"job {instance.name}"):
            _remove([instance.container] if there else [], self.podman)
            self._create(instance, prepared)
            self.podman.run(["start", instance.container])
            if status := self._wait_for_end(instance):
                raise self._job_failed(instance, f"ended with {status}")

    def _wait_for_earlier(self, instance: Instance) -> Container | None:
        """Return a job's container, ended: one that an interrupted `up` left is not cut short halfway through."""
        there = self.podman.container(instance.container)
        if there is None or there.status not in ("running", "paused"):
            return there
        with self.progress.step(f"job {instance.name}, begun earlier"):
            if there.status == "paused":
                self.podman.run(["unpause", instance.container])
            self._wait_for_end(instance)
        return self.podman.container(instance.container)

    def _wait_for_end(self, instance: Instance) -> int:
        """Return the exit status of a job that runs."""
        deadline = clock.monotonic() + JOB_DEADLINE_S
        while not self._stop.wait(JOB_PAUSE_S):
            there = self.podman.container(instance.container)
            if there is None:
                raise self._job_failed(instance, "went away")
            if there.status == "exited":
                return there.exit_code
            if clock.monotonic() > deadline:
                raise self._job_failed(instance, f"did not end within {JOB_DEADLINE_S:.0f} s")
        raise self._job_failed(instance, "was given up")

    def _job_failed(self, instance: Instance, reason: str) -> ProcessError:
        return ProcessError(
            "host.job_failed",
            f"the job {instance.name} {reason}: {self._said(instance)}",
            f"see `skerry stack logs {instance.name}`, mend the cause, run up again",
        )

    def _start_service(self, instance: Instance, prepared: Prepared) -> None:
        with self.progress.step(f"service {instance.name}"):
            for name in instance.containers:
                there = self.podman.container(name)
                if there is None:
                    self._create(instance, prepared, holder=name == instance.holder)
                elif there.status == "paused":
                    self.podman.run(["unpause", name])
                if there is None or there.status not in ("running", "paused"):
                    self.podman.run(["start", name])
            self._wait_well(instance)

    def _create(self, instance: Instance, prepared: Prepared, *, holder: bool = False) -> None:
        if not self.podman.has_image(instance.image):
            raise PreconditionError(
                "preflight.missing_image", f"{instance.name}: {instance.image} is not built", "run `make images`"
            )
        level = next(number for number, level in enumerate(self.plan.levels) if instance.name in level)
        labels = {**self.podman.labels, LABEL_DIGEST: prepared.digests[instance.name]}
        if holder and instance.pool:
            # Stopped after what it holds.
            labels |= {LABEL_HOLDS: instance.name, LABEL_LEVEL: str(level - 1)}
            self.podman.run(create_holder(instance, instance.pool, labels=labels, limits=prepared.limits))
            return
        labels |= {LABEL_INSTANCE: instance.name, LABEL_LEVEL: str(level)}
        files = prepared.staged.of(instance)
        self.podman.run(create_container(instance, files, labels=labels, limits=prepared.limits))
        with self._guard:
            self._made.add(instance.definition.name)

    def _wait_well(self, instance: Instance) -> None:
        if (reason := health.wait_until_well(instance, self.podman, stop=self._stop)) is None:
            return
        raise ProcessError(
            "host.not_well",
            f"{instance.name} did not get well: {reason}. It said: {self._said(instance)}",
            f"see `skerry stack logs {instance.name}`, mend the cause, run up again",
        )

    def _said(self, instance: Instance) -> str:
        return last_words(instance.container, self.podman)


@dataclass(frozen=True)
class Prepared:
    """What containers are made from, besides the plan."""

    staged: Staged
    digests: Mapping[str, str]
    limits: bool


def load_plan(checkout: Checkout, state: State, *, images: Mapping[str, str] | None = None) -> Plan:
    """Return the plan of the stack at a state root: its site, its pools.

    Args:
        checkout: whose appliance/ is run.
        state: of the stack.
        images: reference by name; without it references are empty, which is enough to look and not to start.

    Raises:
        InvalidInputError: `stack.*`.
    """
    appliance = load_appliance(checkout)
    if images is None:
        images = {item.image: "" for item in appliance.definitions.values()}
    return make_plan(appliance, site=state.load_site(), images=images, pools=load_pools(state))


def digest_instance(instance: Instance, staged: Staged, *, secrets: Mapping[str, str], image: str, limits: bool) -> str:
    """Return what identifies everything a container is made from, secrets by version, files by content.

    Networks of worker pools are left out: they are joined and left while the container runs.
    """
    own = {item.network.name for item in instance.own_attachments}
    words = create_container(instance, staged.of(instance), labels={}, limits=limits)
    words += create_holder(instance, instance.pool, labels={}, limits=limits) if instance.pool else []
    kept = [
        word for word in words if not word.startswith("--network=") or word.split("=", 1)[1].partition(":")[0] in own
    ]
    return digest_of(
        {
            "words": kept,
            "image": image,
            "files": staged.digests(instance),
            "hosts": dict(instance.hosts),
            "secrets": {item.name: secrets.get(item.name, "") for item in instance.secrets},
        }
    )


def down(podman: Podman, state: State, *, prefix: str, progress: Progress) -> None:
    """Stop everything in the reverse of its start order and remove containers, networks and packet filter.

    Volumes, secrets and the state root stay. The definitions are not asked: what is there carries its order.
    """
    remove_containers(list(podman.containers().values()), podman, progress=progress)
    with progress.step("networks and packet filter"):
        networks = sorted(podman.networks())
        if networks:
            podman.run(["network", "rm", *networks])
        remove_strays(state.load_site().addresses, podman, progress=progress)
        remove_filter(prefix)
    state.ca_certificate.unlink(missing_ok=True)


def clean(podman: Podman, state: State, *, prefix: str, progress: Progress) -> None:
    """Take down and remove everything that is kept: volumes, secrets, the state root."""
    down(podman, state, prefix=prefix, progress=progress)
    with progress.step("volumes, secrets and state"):
        # The pools first: an `up` after half a `clean` must not start workers whose keys went with the database.
        shutil.rmtree(state.pools, ignore_errors=True)
        if volumes := sorted(podman.volumes()):
            podman.run(["volume", "rm", *volumes])
        if secrets := sorted(podman.secrets()):
            podman.run(["secret", "rm", *secrets])
        for path in state.root.iterdir():
            if path == state.lock:
                # Held by us; an empty file tells nobody anything.
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def remove_containers(containers: list[Container], podman: Podman, *, progress: Progress) -> None:
    """Stop containers in the reverse of their start order, those of one level together, then remove them."""
    levels: dict[int, list[str]] = {}
    for item in containers:
        if item.status in ("running", "paused", "stopping"):
            levels.setdefault(int(item.labels.get(LABEL_LEVEL, "0")), []).append(item.name)
    paused = [item.name for item in containers if item.status == "paused"]
    if paused:
        podman.run(["unpause", *paused])
    for level in sorted(levels, reverse=True):
        with progress.step("stop " + ", ".join(sorted(levels[level]))):
            # Each has its own time to stop; podman kills after it, so the deadline is only for a podman that hangs.
            podman.run(["stop", *levels[level]], deadline_s=STOP_DEADLINE_S)
    # podman removes nothing that another container still hangs on.
    holders = {item.name for item in containers if LABEL_HOLDS in item.labels}
    _remove(sorted({item.name for item in containers} - holders), podman)
    _remove(sorted(holders), podman)


def _remove(names: list[str], podman: Podman) -> None:
    """Remove stopped containers; podman's own clean-up after a stop may hold their mounts for a moment."""
    for attempt in range(1, REMOVE_ATTEMPTS + 1):
        if not names:
            return
        done = podman.run(["rm", "--force", "--ignore", "--time=0", *names], check=attempt == REMOVE_ATTEMPTS)
        if done.status == 0:
            return
        time.sleep(REMOVE_PAUSE_S)


def last_words(container: str, podman: Podman) -> str:
    """Return the end of a container's log on one line."""
    done = podman.run(["logs", f"--tail={LOG_TAIL_LINES}", container], check=False)
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return " | ".join(lines[-LOG_TAIL_LINES:]) or "nothing"
