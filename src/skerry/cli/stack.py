"""`skerry stack`: run everything on this host."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skerry.base import clock
from skerry.base.errors import InvalidInputError, NotFoundError
from skerry.base.paths import default_cache, find_checkout
from skerry.base.progress import Progress
from skerry.host import local, preflight
from skerry.host.edge import copy_ca, urls_of
from skerry.host.machine import Machine
from skerry.host.podman import Podman, open_podman
from skerry.host.settings import read_settings
from skerry.host.state import State
from skerry.host.status import ask_api, not_well, read_status
from skerry.images.definition import load_catalogue
from skerry.images.inputs import Inputs
from skerry.images.recipe import image_reference
from skerry.stack.appliance import load_appliance
from skerry.stack.plan import Site

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from skerry.base.paths import Checkout
    from skerry.host.status import Row
    from skerry.stack.plan import Plan

app = typer.Typer(help="Run everything on this host: check, up, down, status, logs, clean.", no_args_is_help=True)

MIB = 1 << 20
TAIL_LINES = 20
# podman follows a log until it is interrupted; the runner wants a number.
FOLLOW_S = 7 * 86_400.0
WELL, NOT_WELL = 0, 1
HEALTHY = "healthy"
YEAR_LEAST = 2000
MOMENT = re.compile(r"(\d+-\d+-\d+T[\d:]+)(\.\d{1,6})?\d*(Z|[+-][\d:]+)")

Services = Annotated[list[str] | None, typer.Argument(help="Services or jobs; all when none is named.")]


@dataclass(frozen=True)
class Here:
    """What every command needs: whose appliance, which state, how podman runs on this host."""

    checkout: Checkout
    state: State
    machine: Machine
    progress: Progress

    def podman(self) -> Podman:
        """Check rights and programs, then return podman."""
        findings = preflight.check_tools(self.machine)
        if findings:
            raise preflight.PreflightError(findings)
        self.state.make_folders()
        return open_podman(self.state, read_settings(), machine=self.machine)

    def plan(self, *, to_start: bool = False) -> Plan:
        """Return the plan; `to_start` with the references of images, which only starting needs."""
        images = None
        if to_start:
            names = {item.image for item in load_appliance(self.checkout).definitions.values()}
            images = {name: image_reference(name) for name in sorted(names)}
        return local.load_plan(self.checkout, self.state, images=images)


def here() -> Here:
    """Return what commands need, from where this code lies and what the environment says."""
    return Here(find_checkout(), State(read_settings().state_root), Machine(), Progress())


@app.command("check")
def check() -> None:
    """Say what is in the way of building and starting everything; nothing is changed, nothing is started."""
    at = here()
    podman = at.podman()
    with at.progress.step("checks before building"):
        inputs = Inputs(load_catalogue(at.checkout), default_cache())
        images, stored = inputs.catalogue.images, podman.image_ids()
        missing = [one for one in images if inputs.reference(one.name) not in stored]
        build = preflight.Build(inputs.cache, share=len(missing) / len(images), compiles=any(one.go for one in missing))
        findings = preflight.check_host(at.plan(), podman, at.state, machine=at.machine, build=build)
    if findings:
        raise preflight.PreflightError(findings)


@app.command("up")
def up(
    install: Annotated[bool, typer.Option("--install", help="Install Debian packages this host lacks.")] = False,
    name: Annotated[str, typer.Option(help="DNS name of the edge; kept for later commands.")] = "",
    no_next: Annotated[bool, typer.Option("--no-next", help="Do not say what to do next.")] = False,
) -> None:
    """Start what does not run, replace what changed, wait until all is well, say where things are."""
    at = here()
    if install and (missing := preflight.missing_packages(at.machine)):
        with at.progress.step(f"install {', '.join(missing)}"):
            preflight.install_packages(missing)
    podman = at.podman()
    start = clock.monotonic()
    with at.state.locked("stack up"):
        if name:
            site = at.state.load_site()
            at.state.store_site(Site(name, site.prefix, site.addresses))
        plan = at.plan(to_start=True)
        with at.progress.step("checks"):
            findings = preflight.check_host(plan, podman, at.state, machine=at.machine)
        if findings:
            raise preflight.PreflightError(findings)
        driver = local.Driver(plan, podman, at.state, at.machine, at.checkout.root, at.progress)
        driver.up()
        certificate = copy_ca(plan, podman, at.state)
    print(f"\nEverything is well after {clock.monotonic() - start:.0f} s.\n")
    for title, url in urls_of(plan).items():
        print(f"  {title:<12} {url}")
    if certificate is not None:
        print(f"  {'root of CA':<12} {certificate}")
    print(f"  {'state':<12} {at.state.root}")
    if not plan.pools and not no_next:
        print("\nNext: skerry bootstrap --organization SLUG --admin-email EMAIL")


@app.command("down")
def down() -> None:
    """Stop everything; data and secrets stay."""
    at = here()
    podman = at.podman()
    with at.state.locked("stack down"):
        local.down(podman, at.state, prefix=at.state.load_site().prefix, progress=at.progress)


@app.command("clean")
def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop everything and remove all data, secrets and pools of this stack (images stay)."""
    at = here()
    podman = at.podman()
    if not yes:
        typer.confirm(f"Remove all data and secrets of the stack in {at.state.root}?", abort=True)
    with at.state.locked("stack clean"):
        local.clean(podman, at.state, prefix=at.state.load_site().prefix, progress=at.progress)


@app.command("status")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say what runs and how well; the exit status is 1 when anything is not as it should be."""
    at = here()
    podman = at.podman()
    plan = at.plan()
    rows = read_status(plan, podman)
    api = ask_api(plan, at.state)
    well = not not_well(rows) and api.get("status") == HEALTHY
    if as_json:
        body = {"services": [row.as_dict() for row in rows], "api": api, "well": well}
        print(json.dumps(body, indent=2))
    else:
        print_table(rows)
        print_api(api)
    raise typer.Exit(WELL if well else NOT_WELL)


@app.command("logs")
def logs(
    services: Services = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    tail: Annotated[int, typer.Option(help="Newest lines of each.", min=0)] = TAIL_LINES,
) -> None:
    """Show what services and jobs say, each line with its name."""
    at = here()
    podman = at.podman()
    plan = at.plan()
    there = podman.containers()
    wanted = services or [name for name, item in plan.instances.items() if item.container in there]
    containers = [container_of(name, plan, there) for name in wanted]
    if not containers:
        raise NotFoundError("host.nothing_runs", "there is no container of this stack", "run `skerry stack up`")
    words = ["logs", "--names", "--timestamps", f"--tail={tail}", *(["--follow"] if follow else []), *containers]
    sys.stdout.flush()
    podman.run(words, deadline_s=FOLLOW_S, log=sys.stdout.buffer)


def container_of(name: str, plan: Plan, there: Mapping[str, object]) -> str:
    """Return the container of an instance that people name.

    Raises:
        InvalidInputError: `host.unknown_service`.
        NotFoundError: `host.not_created`.
    """
    instance = plan.instances.get(name)
    if instance is None:
        known = ", ".join(plan.instances)
        raise InvalidInputError("host.unknown_service", f"there is no service or job {name!r}", f"known: {known}")
    if instance.container not in there:
        raise NotFoundError("host.not_created", f"{name} has no container", "run `skerry stack up`")
    return instance.container


def print_table(rows: Sequence[Row]) -> None:
    """Print a line an instance, and what is wrong below its line."""
    width = max((len(row.name) for row in rows), default=4)
    print(f"{'NAME':<{width}}  {'STATE':<10} {'FOR':>8} {'RESTARTS':>8} {'MIB':>6}  IMAGE")
    for row in rows:
        image = row.image.rpartition("/")[2]
        memory = f"{row.memory / MIB:.0f}" if row.memory else "-"
        print(f"{row.name:<{width}}  {row.state:<10} {age_of(row.since):>8} {row.restarts:>8} {memory:>6}  {image}")
        if row.detail:
            print(f"{'':<{width}}  {row.detail}")
    total = sum(row.memory for row in rows)
    wrong = ", ".join(row.name for row in not_well(rows))
    print(f"\n{total / MIB:.0f} MiB together. " + (f"Not well: {wrong}" if wrong else "All is well."))


def print_api(api: Mapping[str, Any]) -> None:
    """Print what the API says of what it reaches: one line, and one more for each that is not well."""
    if "error" in api:
        print(f"The API: {api['error']}")
        return
    print(f"The API says it is {api.get('status', 'of no known state')}.")
    for name, component in api.get("components", {}).items():
        if component.get("status") != HEALTHY:
            print(f"  {name}: {component.get('status')} ({component.get('code') or 'no code'})")


def age_of(moment: str) -> str:
    """Return the time since `moment` (podman's text of a time) in its largest unit: `12s`, `5m`, `3h`, `2d`."""
    try:
        # podman writes nanoseconds; Python reads microseconds.
        found = MOMENT.match(moment)
        then = datetime.fromisoformat("".join(part or "" for part in found.groups()) if found else moment)
        seconds = (clock.now() - then).total_seconds()
    except (ValueError, TypeError):
        return "-"
    if then.year < YEAR_LEAST:
        # podman's way to say never.
        return "-"
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds / length)}{unit}"
    return f"{max(int(seconds), 0)}s"
