"""What the environment says to commands that run on the host; read once, passed in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from skerry.host.state import DEFAULT_ROOT


@dataclass(frozen=True)
class HostSettings:
    """SKERRY_STATE: the state root. CONTAINERS_CONF: podman's own settings, which we leave alone when they are set."""

    state_root: Path
    containers_conf: str


def read_settings(environment: dict[str, str] | None = None) -> HostSettings:
    """Return the settings; of this process when `environment` is None."""
    variables = os.environ if environment is None else environment  # noqa: TID251  the one place
    return HostSettings(
        state_root=Path(variables.get("SKERRY_STATE") or DEFAULT_ROOT),
        containers_conf=variables.get("CONTAINERS_CONF", ""),
    )
