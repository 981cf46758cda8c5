"""Errors on the wire: problem details (RFC 9457) made from the four parts of a SkerryError.

Contract: application/problem+json with type, title, status, detail, code, hint and request_id. A 401 has the body
that stock clients read instead: `{"detail": {"error": "Unauthorized", "message", "hint"}}` with code and request_id
beside it (kubiya-contract, section 1). What we did not foresee is logged with its traceback and answered as
`server.failed`, without a word of it.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from skerry.base.errors import SkerryError
from skerry.kit import logs

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

log = logging.getLogger(__name__)

PROBLEM_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:skerry:error:"
SHOWN_ERRORS: Final = 20
VALIDATION_FIELDS: Final = ("loc", "msg", "type")
"""Of a validation error, what is shown: never `input`, which may hold a secret."""


def problem_of(error: SkerryError, *, request_id: str | None) -> dict[str, Any]:
    """Return the body for `error`."""
    body: dict[str, Any] = {"code": error.code, "request_id": request_id}
    if error.status == HTTPStatus.UNAUTHORIZED:
        return {"detail": {"error": "Unauthorized", "message": error.message, "hint": error.hint}, **body}
    return {
        "type": TYPE_PREFIX + error.code,
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.message,
        "hint": error.hint,
        **body,
    }


def respond(error: SkerryError) -> JSONResponse:
    """Return the response for `error`, with WWW-Authenticate on 401 and Retry-After on 503."""
    headers: dict[str, str] = {}
    media_type = PROBLEM_TYPE
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Bearer realm="skerry"'
        media_type = "application/json"
    elif error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = "1"
    body = problem_of(error, request_id=logs.bound("request_id"))
    return JSONResponse(body, status_code=error.status, headers=headers, media_type=media_type)


def install(app: FastAPI) -> None:
    """Have every error of `app` that we foresee answered by this module; kit.http.RequestContext answers the rest."""
    app.add_exception_handler(SkerryError, _on_skerry_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_skerry_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SkerryError)  # noqa: S101  narrows the type that Starlette's signature loses
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("answered %d: %s", error.status, error, extra={"code": error.code})
    return respond(error)


async def _on_validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  as above
    shown = [{field: item[field] for field in VALIDATION_FIELDS} for item in error.errors()[:SHOWN_ERRORS]]
    first = shown[0]
    where = ".".join(str(part) for part in first["loc"])
    problem = _InvalidError("request.invalid", f"{where}: {first['msg']}", "see `errors`, and /api/openapi.json")
    body = problem_of(problem, request_id=logs.bound("request_id"))
    return JSONResponse({**body, "errors": shown}, status_code=problem.status, media_type=PROBLEM_TYPE)


async def _on_http_exception(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  as above
    phrase = HTTPStatus(error.status_code).phrase
    code = "request." + phrase.lower().replace(" ", "_").replace("-", "_")
    problem = _PlainError(code, str(error.detail or phrase), "see /api/openapi.json")
    problem.status = error.status_code
    response = respond(problem)
    response.headers.update(error.headers or {})
    return response


def unforeseen() -> JSONResponse:
    """Return the answer to what nobody foresaw: not a word of it."""
    return respond(SkerryError("server.failed", "the server failed", "give the request id to the operator"))


class _InvalidError(SkerryError):
    status = 422


class _PlainError(SkerryError):
    pass
