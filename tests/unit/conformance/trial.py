"""Cases by their id, tried on the simulator."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from tests.unit.conformance.simulator import CONTEXT_TOKENS, MODEL, Simulator, serving

from skerry.base.progress import Progress
from skerry.conformance.case import Subject
from skerry.conformance.endpoint import Endpoint
from skerry.conformance.run import run_cases
from skerry.conformance.suite import all_cases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skerry.conformance.case import Case
    from skerry.conformance.run import Result

SUBJECT = Subject(MODEL, CONTEXT_TOKENS, 64)
CASES: dict[str, Case] = {case.id: case for case in all_cases(SUBJECT)}


def try_cases(simulator: Simulator, ids: Sequence[str], *, deadline_s: float = 10.0) -> dict[str, Result]:
    """Run these cases against a simulator; return the results by id."""
    with serving(simulator) as url, Endpoint(url, MODEL, key=simulator.key, deadline_s=deadline_s) as endpoint:
        results = run_cases([CASES[one] for one in ids], endpoint, progress=Progress(io.StringIO()))
    return {result.case.id: result for result in results}
