"""Shapes of executions on the wire (kubiya-contract, schemas.tsv: AgentExecutionRequest, ExecutionResponse, ...).

The contract wants `worker_queue_id`; stock clients leave it out when they want one chosen, so it is optional here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from skerry.base import clock

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy import RowMapping

PROMPT_LIMIT = 1_000_000
FILES_LIMIT = 1000
PREVIEW_CHARS = 200


Text = Annotated[str, Field(max_length=PROMPT_LIMIT)]


class Surroundings(BaseModel):
    """What surrounds the agent in this run. `file_ids` is our own: files that lie in its workspace from the start."""

    working_dir: str | None = None
    env_vars: dict[str, str] = Field(default_factory=dict)
    secrets: list[str] = Field(default_factory=list)
    integration_ids: list[str] = Field(default_factory=list)
    mcp_servers: dict[str, dict[str, Any]] = Field(default_factory=dict)
    file_ids: list[str] = Field(default_factory=list, max_length=FILES_LIMIT)


class AgentExecutionRequest(BaseModel):
    """Body of POST /api/v1/agents/{agent_id}/execute."""

    prompt: Annotated[Text, Field(min_length=1)]
    system_prompt: Text | None = None
    stream: bool = False
    worker_queue_id: str | None = None
    user_metadata: dict[str, Any] | None = None
    execution_environment: Surroundings | None = None
    execution_metadata: dict[str, Any] | None = None

    @property
    def file_ids(self) -> list[str]:
        """The files for the workspace, from either place clients can put them."""
        own = self.execution_environment.file_ids if self.execution_environment else []
        given = (self.user_metadata or {}).get("file_ids") or []
        return [*own, *(item for item in given if isinstance(item, str))] if isinstance(given, list) else own


class AgentExecutionResponse(BaseModel):
    """Answer to execute."""

    execution_id: str
    workflow_id: str
    status: str
    message: str


class ExecutionResponse(BaseModel):
    """An execution as clients read it; `organization_id` is the slug. `error_message` begins with a stable code."""

    id: str
    organization_id: str
    execution_type: str
    entity_id: str
    entity_name: str | None
    prompt: str
    system_prompt: str | None
    status: str
    response: str | None
    error_message: str | None
    usage: dict[str, Any]
    execution_metadata: dict[str, Any]
    runner_name: str | None
    user_id: str | None
    user_name: str | None
    user_email: str | None
    user_avatar: str | None
    created_at: str
    started_at: str | None
    completed_at: str | None
    updated_at: str
    participants: list[dict[str, Any]]
    last_message_at: str | None
    last_message_preview: str | None

    @classmethod
    def of(cls, row: RowMapping, *, organization: str) -> ExecutionResponse:
        """Return the execution of a row."""
        response: str | None = row["response"]
        return cls(
            **{name: row[name] for name in _AS_STORED},
            id=str(row["id"]),
            organization_id=organization,
            entity_id=str(row["agent_id"]),
            entity_name=row["agent_name"],
            error_message=row["error_code"],
            runner_name=None,
            user_id=str(row["created_by"]) if row["created_by"] else None,
            user_avatar=None,
            created_at=clock.rfc3339(row["created_at"]),
            started_at=_moment(row["started_at"]),
            completed_at=_moment(row["completed_at"]),
            updated_at=clock.rfc3339(row["updated_at"]),
            participants=[],
            last_message_at=_moment(row["completed_at"]),
            last_message_preview=response[:PREVIEW_CHARS] if response else None,
        )


_AS_STORED = (
    "execution_type",
    "prompt",
    "system_prompt",
    "status",
    "response",
    "usage",
    "execution_metadata",
    "user_name",
    "user_email",
)


def _moment(moment: dt.datetime | None) -> str | None:
    return clock.rfc3339(moment) if moment else None
