"""Calls of the API: typed where the command line reads, errors as the API words them, streams that survive a cut."""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

import httpx

from skerry.base.errors import (
    ConflictError,
    DeniedError,
    InvalidInputError,
    NotFoundError,
    SkerryError,
    UnauthenticatedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from skerry.client.context import Context

DEADLINE_S: Final = 30.0
CONNECT_DEADLINE_S: Final = 5.0
SILENCE_DEADLINE_S: Final = 45.0
"""The server says something every 15 s; three times that is a connection that has died."""
FOR_EVER_S: Final = 7 * 86_400.0
RECONNECTS: Final = 100
RECONNECT_PAUSE_S: Final = 1.0
TERMINAL: Final = frozenset({"done", "error"})
ENDED: Final = frozenset({"completed", "failed", "cancelled"})

ERRORS: Final[Mapping[int, type[SkerryError]]] = {
    401: UnauthenticatedError,
    403: DeniedError,
    404: NotFoundError,
    409: ConflictError,
    503: UnavailableError,
}


class DeadlineError(SkerryError):
    """What was waited for has not come in time."""

    status = 504


@dataclass(frozen=True)
class ServerEvent:
    """One event of a stream: its id as the server gave it, its kind, its data, when it came (monotonic seconds)."""

    id: str
    kind: str
    data: Mapping[str, Any]
    came_at: float


class Client:
    """The API of one site, called with one key."""

    def __init__(self, context: Context, *, transport: httpx.BaseTransport | None = None) -> None:
        """Make a client; nothing connects before the first call.

        Raises:
            InvalidInputError: `client.bad_ca`.
        """
        url = httpx.URL(context.url)
        self._extensions = {"sni_hostname": url.host} if context.connect_to else {}
        headers = {"Authorization": f"Bearer {context.key}", "Accept": "application/json"}
        if context.connect_to:
            headers["Host"] = url.netloc.decode()
            url = url.copy_with(host=context.connect_to)
        self._http = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=httpx.Timeout(DEADLINE_S, connect=CONNECT_DEADLINE_S),
            verify=_trust(context.ca),
            transport=transport,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def find_agent(self, name_or_id: str) -> dict[str, Any] | None:
        """Return an agent by its id, else the first one of that name, None when there is none."""
        try:
            return self._object(self._call("GET", f"/api/v1/agents/{quote(name_or_id, safe='')}"))
        except NotFoundError:
            pass
        listed = self._call("GET", "/api/v1/agents", params={"limit": 1000})
        return next((agent for agent in listed if agent.get("name") == name_or_id), None)

    def create_agent(self, name: str, *, description: str = "", system_prompt: str | None = None) -> dict[str, Any]:
        """Make an agent on the site's default model."""
        body = {"name": name, "description": description, "system_prompt": system_prompt}
        return self._object(self._call("POST", "/api/v1/agents", json=body))

    def upload(self, path: Path, *, file_path: str) -> dict[str, Any]:
        """Upload a file; it is streamed from disk."""
        with path.open("rb") as stream:
            files = {"file": (path.name, stream, "application/octet-stream")}
            answer = self._call("POST", "/api/v1/storage/files/upload", files=files, data={"file_path": file_path})
        return self._object(answer)

    def execute(self, agent_id: str, prompt: str, *, file_ids: list[str], queue_id: str | None = None) -> str:
        """Have an agent work on a prompt; return the execution's id."""
        body: dict[str, Any] = {"prompt": prompt, "execution_environment": {"file_ids": file_ids}}
        if queue_id:
            body["worker_queue_id"] = queue_id
        return str(self._object(self._call("POST", f"/api/v1/agents/{agent_id}/execute", json=body))["execution_id"])

    def execution(self, execution_id: str) -> dict[str, Any]:
        """Return an execution."""
        return self._object(self._call("GET", f"/api/v1/executions/{execution_id}"))

    def events(
        self, execution_id: str, *, last_event_id: str | None = None, deadline_s: float = FOR_EVER_S
    ) -> Iterator[ServerEvent]:
        """Yield an execution's events until it has ended, over as many connections as that takes.

        Args:
            execution_id: which.
            last_event_id: go on after this event; None replays everything from the start.
            deadline_s: seconds until an end is no longer waited for.

        Raises:
            UnavailableError: `client.stream_lost` when RECONNECTS connections in a row brought nothing.
            DeadlineError: `client.deadline`.
        """
        last = last_event_id or f"{execution_id}_0_0"
        left = RECONNECTS
        end = time.monotonic() + deadline_s
        while left:
            try:
                for event in self._stream(execution_id, last, end):
                    last, left = event.id, RECONNECTS
                    yield event
                    if event.kind in TERMINAL:
                        return
            except (httpx.TransportError, UnavailableError):
                pass
            left -= 1
            time.sleep(RECONNECT_PAUSE_S)
        raise UnavailableError("client.stream_lost", f"the stream of {execution_id} does not come back", "try again")

    def _stream(self, execution_id: str, last: str, end: float) -> Iterator[ServerEvent]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
        timeout = httpx.Timeout(DEADLINE_S, connect=CONNECT_DEADLINE_S, read=SILENCE_DEADLINE_S)
        with self._http.stream(
            "GET",
            f"/api/v1/executions/{execution_id}/stream",
            headers=headers,
            timeout=timeout,
            extensions=self._extensions,
        ) as answer:
            if answer.is_error:
                answer.read()
                raise as_error(answer)
            yield from parse_events(_until(answer.iter_lines(), end))

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._http.request(method, path, extensions=self._extensions, **options)
        except httpx.TransportError as error:
            raise UnavailableError(
                "client.unreachable",
                f"{self._http.base_url} does not answer: {type(error).__name__}",
                "see `skerry stack status`",
            ) from error
        if answer.is_error:
            raise as_error(answer)
        return answer.json() if answer.content else {}

    @staticmethod
    def _object(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise UnavailableError("client.shape", "the API's answer is no object", "is this the API?")
        return value


def _until(lines: Iterator[str], end: float) -> Iterator[str]:
    """Hand lines on until `end`; the server's comments come often enough to notice it."""
    for line in lines:
        if time.monotonic() > end:
            raise DeadlineError(
                "client.deadline",
                "the execution has not ended in time",
                "see `skerry stack status`: is a worker there?",
            )
        yield line


def parse_events(lines: Iterator[str]) -> Iterator[ServerEvent]:
    """Yield the events of a stream; comments and unknown fields are skipped.

    Source: HTML Standard, 9.2.6 Interpreting an event stream.
    """
    identifier, kind, data = "", "message", ""
    for line in lines:
        if not line:
            if data:
                yield ServerEvent(identifier, kind, json.loads(data), time.monotonic())
            kind, data = "message", ""
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            identifier = value
        elif name == "event":
            kind = value
        elif name == "data":
            data += value


def as_error(answer: httpx.Response) -> SkerryError:
    """Return the error that an answer carries, in the API's own words."""
    try:
        body = answer.json()
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    detail = body.get("detail")
    told = detail if isinstance(detail, dict) else {"message": detail, "hint": body.get("hint")}
    kind = ERRORS.get(answer.status_code, UnavailableError if answer.is_server_error else InvalidInputError)
    return kind(
        str(body.get("code") or f"http.status_{answer.status_code}"),
        str(told.get("message") or f"{answer.request.url.path} answered {answer.status_code}"),
        str(told.get("hint") or "see `skerry stack logs api`"),
    )


def _trust(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except OSError as error:
        raise InvalidInputError(
            "client.bad_ca", f"{ca} holds no certificate that can be read", "copy the site's root certificate anew"
        ) from error
