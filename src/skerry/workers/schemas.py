"""Shapes of the worker protocol (kubiya-contract, section 4; schemas.tsv: WorkerStartRequest and its kin)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

TEXT_LIMIT = 255


class WorkerStartRequest(BaseModel):
    """Body of POST /api/v1/worker-queues/{queue_id}/start."""

    worker_sdk_version: str | None = Field(default=None, max_length=TEXT_LIMIT)
    system_info: dict[str, Any] | None = None
    control_plane_url: str | None = Field(default=None, max_length=2048)


class WorkerStartResponse(BaseModel):
    """What a worker is told. `worker_token`, `organization_uuid` and `expires_in` (seconds) are our own additions."""

    worker_id: str
    task_queue_name: str
    temporal_namespace: str
    temporal_host: str
    temporal_api_key: str
    organization_id: str
    control_plane_url: str
    heartbeat_interval: int
    litellm_api_url: str
    litellm_api_key: str
    queue_name: str
    environment_name: str
    queue_id: str
    queue_ephemeral: bool
    queue_single_execution: bool = False
    redis_url: None = None
    redis_password: None = None
    redis_enabled: Literal[False] = False
    websocket_enabled: Literal[False] = False
    websocket_url: None = None
    websocket_features: list[str] = []
    nats_config: None = None
    control_plane_sdk_version: str
    organization_uuid: str
    worker_token: str
    expires_in: int


class WorkerHeartbeat(BaseModel):
    """Body of POST /api/v1/workers/{worker_id}/heartbeat."""

    status: Literal["active", "idle", "busy"] = "active"
    tasks_processed: int = Field(default=0, ge=0, le=1 << 53)
    current_task_id: str | None = Field(default=None, max_length=TEXT_LIMIT)
    worker_metadata: dict[str, Any] = Field(default_factory=dict)
    system_info: dict[str, Any] | None = None
    logs: list[str] | None = None


class WorkerDisconnect(BaseModel):
    """Body of POST /api/v1/workers/{worker_id}/disconnect."""

    reason: str = Field(default="shutdown", max_length=TEXT_LIMIT)
    exit_code: int | None = None
    error_message: str | None = Field(default=None, max_length=10_000)
