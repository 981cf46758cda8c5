"""What an agent worker is told: where the API is, which queue it serves, and the pool key that proves it may.

Contract: three variables and one secret file. Everything else (Temporal's address, tokens, LiteLLM's address) comes
from the API when the worker registers, so a worker has no credential but its pool's key.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from skerry.base.errors import PreconditionError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SECRETS_DIR = "/run/secrets"
DEFAULT_FOLDER = "/tmp/skerry"  # noqa: S108  the container's own tmpfs
KEY_NAMES = ("worker-key", "worker-{queue}")


@dataclass(frozen=True)
class AgentSettings:
    """One worker process: `queue_id` is a UUID's text, `folder` holds blobs and the sign of life."""

    api_url: str
    queue_id: str
    folder: Path
    key: str = field(repr=False)

    @property
    def blobs(self) -> Path:
        return self.folder / "blobs"

    @property
    def alive(self) -> Path:
        return self.folder / "alive"


def load_agent_settings(environment: Mapping[str, str] | None = None) -> AgentSettings:
    """Parse the worker's settings.

    Raises:
        PreconditionError: `agent.no_setting` (a variable is missing), `agent.no_key` (no key file is there).
    """
    variables = os.environ if environment is None else environment  # noqa: TID251  the agent's one place: it has no kit
    queue = _want(variables, "SKERRY_WORKER_QUEUE")
    secrets = Path(variables.get("SKERRY_SECRETS_DIR", DEFAULT_SECRETS_DIR))
    return AgentSettings(
        api_url=_want(variables, "SKERRY_API_URL").rstrip("/"),
        queue_id=queue,
        folder=Path(variables.get("SKERRY_WORKER_FOLDER", DEFAULT_FOLDER)),
        key=_read_key(secrets, queue),
    )


def _want(variables: Mapping[str, str], name: str) -> str:
    if value := variables.get(name):
        return value
    raise PreconditionError("agent.no_setting", f"{name} is not set", "set it in appliance/services/agent-worker.toml")


def _read_key(folder: Path, queue: str) -> str:
    for form in KEY_NAMES:
        path = folder / form.format(queue=queue)
        if path.is_file():
            return path.read_text().strip()
    raise PreconditionError(
        "agent.no_key", f"no pool key for queue {queue} in {folder}", "enrol the pool: skerry workers enroll ORG QUEUE"
    )
