"""POST /api/v1/storage/files/upload and GET /api/v1/storage/files/{file_id}/metadata."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, status

from skerry.authz.guard import Caller, guard
from skerry.files import service
from skerry.files.schemas import FileMetadata
from skerry.files.store import ObjectStore
from skerry.kit.http import part
from skerry.kit.ids import parse_id
from skerry.kit.multipart import UploadForm

router = APIRouter(prefix="/api/v1/storage/files", tags=["storage"])

UPLOAD_PATH: Final = "/api/v1/storage/files/upload"
FORM_OVERHEAD_BYTES: Final = 1 << 20
"""What a form may hold beside its file."""
FORM: Final = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "file_path": {"type": "string"},
        "tags": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
}
"""The form, described: it is read as it arrives, so the framework does not know it."""
UPLOAD_BODY_BYTES: Final = service.UPLOAD_LIMIT_BYTES + FORM_OVERHEAD_BYTES


@router.post(
    "/upload",
    status_code=status.HTTP_201_CREATED,
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}},
)
async def upload_file(request: Request, caller: Annotated[Caller, Depends(guard("files:create"))]) -> FileMetadata:
    """Upload one file: a multipart form with `file`, and `file_path` and `tags` in the form or the query."""
    form = UploadForm(request.headers.get("content-type", ""), request.stream())
    options = {name: request.query_params[name] for name in ("file_path", "tags") if name in request.query_params}
    row = await service.upload(caller.database, part(request, ObjectStore), caller.principal, form, options)
    return FileMetadata.of(row)


@router.get("/{file_id}/metadata")
async def get_metadata(file_id: str, caller: Annotated[Caller, Depends(guard("files:read"))]) -> FileMetadata:
    """What is known of a file."""
    wanted = parse_id(file_id, what="file")
    async with caller.read() as session:
        row = await service.get_file(session, caller.principal.organization_id, wanted)
    return FileMetadata.of(row)
