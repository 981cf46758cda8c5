"""Shapes of agents on the wire (kubiya-contract, schemas.tsv: AgentCreate, AgentResponse).

The contract has two spellings of the model (`model_id`, `model`): both are read, `model_id` is emitted. Fields we do
not know are kept out silently, as the original does, because stock clients send more than it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from skerry.base import clock

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

    from skerry.auth.principal import Principal

NAME_LIMIT = 255
TEXT_LIMIT = 100_000
LIST_LIMIT = 100


Text = Annotated[str, Field(max_length=TEXT_LIMIT)]
Name = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]


class ExecutionEnvironment(BaseModel):
    """What surrounds an agent's tools."""

    working_dir: str | None = None
    env_vars: dict[str, str] = Field(default_factory=dict)
    secrets: list[str] = Field(default_factory=list)
    integration_ids: list[str] = Field(default_factory=list)
    mcp_servers: dict[str, dict[str, Any]] = Field(default_factory=dict)


class AgentCreate(BaseModel):
    """Body of POST /api/v1/agents."""

    model_config = ConfigDict(protected_namespaces=())

    name: Name
    description: Text | None = None
    system_prompt: Text | None = None
    capabilities: list[Any] = Field(default_factory=list, max_length=LIST_LIMIT)
    configuration: dict[str, Any] = Field(default_factory=dict)
    model_id: Name | None = None
    model: Name | None = None
    llm_config: dict[str, Any] = Field(default_factory=dict)
    runtime: Name | None = None
    runner_name: Name | None = None
    team_id: str | None = Field(default=None, max_length=NAME_LIMIT)
    environment_ids: list[Name] = Field(default_factory=list, max_length=LIST_LIMIT)
    skill_ids: list[Name] = Field(default_factory=list, max_length=LIST_LIMIT)
    skill_configurations: dict[str, dict[str, Any]] = Field(default_factory=dict)
    execution_environment: ExecutionEnvironment | None = None


class AgentResponse(BaseModel):
    """An agent as clients read it; `organization_id` is the slug."""

    model_config = ConfigDict(protected_namespaces=())

    id: str
    organization_id: str
    name: str
    description: str | None
    system_prompt: str | None
    status: str
    capabilities: list[Any]
    configuration: dict[str, Any]
    model_id: str | None
    llm_config: dict[str, Any]
    runtime: str | None
    runner_name: str | None
    team_id: str | None
    created_at: str
    updated_at: str
    last_active_at: str | None
    state: dict[str, Any]
    error_message: str | None
    projects: list[dict[str, Any]]
    environments: list[dict[str, Any]]
    skill_ids: list[str]
    skills: list[dict[str, Any]]
    execution_environment: ExecutionEnvironment | None

    @classmethod
    def of(cls, row: RowMapping, principal: Principal) -> AgentResponse:
        """Return the agent of a row; its tables of projects and skills follow with their rooms, so these are empty."""
        return cls(
            **{name: row[name] for name in _AS_STORED},
            id=str(row["id"]),
            organization_id=principal.organization,
            team_id=str(row["team_id"]) if row["team_id"] else None,
            created_at=clock.rfc3339(row["created_at"]),
            updated_at=clock.rfc3339(row["updated_at"]),
            last_active_at=clock.rfc3339(row["last_active_at"]) if row["last_active_at"] else None,
            projects=[],
            environments=[{"id": environment_id} for environment_id in row["environment_ids"]],
            skills=[],
            execution_environment=ExecutionEnvironment.model_validate(row["execution_environment"]),
        )


_AS_STORED = (
    "name",
    "description",
    "system_prompt",
    "status",
    "capabilities",
    "configuration",
    "model_id",
    "llm_config",
    "runtime",
    "runner_name",
    "state",
    "error_message",
    "skill_ids",
)
