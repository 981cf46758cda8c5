"""Making and finding agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.agents import repository
from skerry.kit.ids import missing, new_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import RowMapping

    from skerry.agents.schemas import AgentCreate
    from skerry.auth.principal import Principal
    from skerry.kit.db import ReadSession, WriteSession
    from skerry.models.catalog import Catalog


async def create_agent(
    session: WriteSession, principal: Principal, body: AgentCreate, *, catalog: Catalog
) -> RowMapping:
    """Make an agent; without a model it gets the site's default, so that what it runs on is known from the start.

    Raises:
        InvalidInputError: `model.unknown`.
        NotFoundError: `team.not_found`: teams come with a room of their own, until then there is none.
    """
    if body.team_id:
        raise missing("team")
    chosen = catalog.resolve(body.model_id or body.model)
    surroundings = body.execution_environment
    return await repository.add_agent(
        session,
        {
            **body.model_dump(exclude={"model", "model_id", "team_id", "execution_environment"}),
            "organization_id": principal.organization_id,
            "id": new_id(),
            "model_id": chosen,
            "execution_environment": surroundings.model_dump() if surroundings else {},
            "created_by": principal.user_id,
        },
    )


async def get_agent(session: ReadSession, organization_id: UUID, agent_id: UUID) -> RowMapping:
    """Return an agent.

    Raises:
        NotFoundError: `agent.not_found`.
    """
    row = await repository.find_agent(session, organization_id, agent_id)
    if row is None:
        raise missing("agent")
    return row


async def list_agents(session: ReadSession, organization_id: UUID, *, skip: int, limit: int) -> Sequence[RowMapping]:
    """Return `limit` agents after the first `skip`, newest first."""
    return await repository.list_agents(session, organization_id, skip=skip, limit=limit)
