"""GET /api/health, /api/ready and /api/health/detailed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response, status

from skerry.base import clock
from skerry.health.service import Health
from skerry.kit.http import part
from skerry.kit.settings import Settings

router = APIRouter(prefix="/api", tags=["health"])


@router.get("/health")
async def get_health(request: Request) -> dict[str, Any]:
    """200 while this process lives; what it cannot reach is named."""
    report = await part(request, Health).report()
    return {
        "status": "degraded" if report.failing else "healthy",
        "failing": report.failing,
        "version": part(request, Settings).version,
        "timestamp": clock.rfc3339(report.moment),
    }


@router.get("/ready")
async def get_ready(request: Request, response: Response) -> dict[str, Any]:
    """200 when requests can be answered, else 503."""
    report = await part(request, Health).report()
    if not report.ready:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return {"status": "ready" if report.ready else "not_ready", "failing": report.failing}


@router.get("/health/detailed")
async def get_detailed(request: Request) -> dict[str, Any]:
    """Each component with its time and, when it fails, a code."""
    report = await part(request, Health).report()
    return {
        "status": "degraded" if report.failing else "healthy",
        "timestamp": clock.rfc3339(report.moment),
        "version": part(request, Settings).version,
        "components": {
            finding.name: {
                "status": "healthy" if finding.well else "unhealthy",
                "latency_ms": finding.milliseconds,
                "code": finding.code,
            }
            for finding in report.findings
        },
    }
