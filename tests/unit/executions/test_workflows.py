"""The loop's own guard; what it does with real activities is tried on the real stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skerry.executions import workflows

if TYPE_CHECKING:
    import pytest


async def test_a_loop_without_an_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ended: list[Any] = []

    async def activity(name: str, argument: Any, **_: Any) -> Any:
        asked.append(name)
        if name == "executions.finish":
            ended.append(argument)
        return workflows.TurnOutcome(calls=9) if name == "agent.turn" else True

    monkeypatch.setattr("temporalio.workflow.execute_activity", activity)
    code = await workflows.AgentExecutionWorkflow().run(workflows.AgentRun("o", "e", "q"))
    assert code == "execution.too_long"
    assert ended == [workflows.Finish("o", "e", "execution.too_long")]
    assert asked.count("agent.turn") + asked.count("agent.call") == workflows.STEPS_LIMIT
