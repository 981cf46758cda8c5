"""Runs the checks side by side and keeps their result for a moment, so that askers do not multiply the work."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from skerry.base import clock
from skerry.base.errors import SkerryError
from skerry.health.checks import CHECK_DEADLINE_S, CHECKS, NEEDED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from skerry.health.checks import Probes

log = logging.getLogger(__name__)

FRESH_S: Final = 0.5


@dataclass(frozen=True)
class Finding:
    """What one check found; `milliseconds` is how long it took, `code` why it failed."""

    name: str
    well: bool
    milliseconds: float
    code: str | None = None


@dataclass(frozen=True)
class Report:
    """One round of checks."""

    moment: datetime
    findings: tuple[Finding, ...]

    @property
    def failing(self) -> list[str]:
        """Names of what failed."""
        return [finding.name for finding in self.findings if not finding.well]

    @property
    def ready(self) -> bool:
        """Whether requests can be answered."""
        return not NEEDED & set(self.failing)


class Health:
    """The latest report, made anew when somebody asks and it is older than FRESH_S seconds."""

    def __init__(self, probes: Probes, *, checks: Mapping[str, Callable[[Probes], Awaitable[None]]] = CHECKS) -> None:
        self._probes = probes
        self._checks = checks
        self._stuck: dict[str, asyncio.Task[Finding]] = {}
        self._round: asyncio.Task[Report] | None = None
        self._made_at = 0.0

    async def report(self) -> Report:
        """Return a report no older than FRESH_S seconds, within CHECK_DEADLINE_S seconds and a little."""
        if self._round is None or (self._round.done() and clock.monotonic() - self._made_at > FRESH_S):
            self._made_at = clock.monotonic()
            self._round = asyncio.create_task(self._run())
        return await asyncio.shield(self._round)

    async def close(self) -> None:
        """End what still runs."""
        for task in (*self._stuck.values(), *([self._round] if self._round else [])):
            task.cancel()
        await self._probes.close()

    async def _run(self) -> Report:
        """Run every check; one that overruns is left to end by itself, and is not started again before it has."""
        still = {name: task for name, task in self._stuck.items() if not task.done()}
        tasks = {name: still.get(name) or asyncio.create_task(self._one(name)) for name in self._checks}
        self._stuck.clear()
        await asyncio.wait(tasks.values(), timeout=CHECK_DEADLINE_S)
        findings = []
        for name, task in tasks.items():
            if task.done():
                findings.append(task.result())
            else:
                task.cancel()
                self._stuck[name] = task
                findings.append(Finding(name, well=False, milliseconds=CHECK_DEADLINE_S * 1000, code="health.deadline"))
        return Report(clock.now(), tuple(findings))

    async def _one(self, name: str) -> Finding:
        start = clock.monotonic()
        code = None
        try:
            await self._checks[name](self._probes)
        except asyncio.CancelledError:
            code = "health.deadline"
        except SkerryError as error:
            code = error.code
        except Exception as error:  # noqa: BLE001  whatever a client library raises, the component is not well
            code = "health.unreachable"
            log.debug("check %s: %r", name, error)
        return Finding(name, well=code is None, milliseconds=round((clock.monotonic() - start) * 1000, 1), code=code)
