"""The conformance set through LiteLLM, as agents call a model: no protocol case fails there either."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.components.test_litellm import token

from skerry.base.progress import Progress
from skerry.conformance.case import Subject
from skerry.conformance.endpoint import Endpoint
from skerry.conformance.protocol import protocol_cases
from skerry.conformance.run import run_cases

if TYPE_CHECKING:
    from tests.integration.stack import Stack

    from skerry.conformance.run import Result

pytestmark = pytest.mark.integration

MODEL = "skerry/smoke"
CONTEXT_TOKENS = 2048


def test_every_protocol_case_passes_through_litellm(stack: Stack) -> None:
    key = token(stack)
    url = f"http://{stack.address('api', 'litellm')}:4000/v1"

    def tried() -> tuple[Result, ...]:
        with Endpoint(url, MODEL, key=key) as endpoint:
            return run_cases(protocol_cases(Subject(MODEL, CONTEXT_TOKENS, 256)), endpoint, progress=Progress())

    results = stack.call_from("api", tried)
    assert {one.case.id: one.verdict.reason for one in results if one.case.counts and not one.passed} == {}
