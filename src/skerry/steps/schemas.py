"""Shapes of the worker's routes. Our own: stock clients know nothing of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

CONTENT_LIMIT = 2_000_000
ARGUMENTS_LIMIT = 1_100_000
CHUNK_LIMIT = 100_000
CHUNKS_LIMIT = 100
CALLS_LIMIT = 16
NAME_LIMIT = 1000
CODE = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$"
DIGEST = r"^[0-9a-f]{64}$"

Count = Annotated[int, Field(ge=0, le=1 << 53)]
Attempt = Annotated[int, Field(ge=1, le=1 << 30)]


class Strict(BaseModel):
    """Unknown fields are refused: worker and API are of one release."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Claim(Strict):
    """Body of begin and permit."""

    attempt: Attempt


class Chunk(Strict):
    """A piece of an answer."""

    n: Count
    content: str = Field(max_length=CHUNK_LIMIT)


class Chunks(Strict):
    """Body of chunks."""

    attempt: Attempt
    chunks: list[Chunk] = Field(max_length=CHUNKS_LIMIT)


class WantedCall(Strict):
    """A tool call as the model wrote it."""

    name: str = Field(max_length=NAME_LIMIT)
    arguments: str = Field(max_length=ARGUMENTS_LIMIT)


class TurnResult(Strict):
    """Body of a turn's result. Times in microseconds."""

    attempt: Attempt
    chunks: Count
    content: str = Field(max_length=CONTENT_LIMIT)
    tool_calls: list[WantedCall] = Field(max_length=CALLS_LIMIT)
    finish_reason: str = Field(max_length=100)
    model: str = Field(max_length=NAME_LIMIT)
    prompt_tokens: Count
    completion_tokens: Count
    first_token_us: Count
    total_us: Count


class CallResult(Strict):
    """Body of a tool call's result: `parent` and `workspace` are digests of snapshots before and after."""

    attempt: Attempt
    status: Literal["completed", "failed"]
    content: str = Field(max_length=CONTENT_LIMIT)
    code: str = Field(max_length=100, pattern=rf"^$|{CODE}")
    parent: str = Field(pattern=DIGEST)
    workspace: str = Field(pattern=DIGEST)


class CallRef(Strict):
    """A tool call of an earlier turn."""

    id: str
    name: str
    arguments: str


class OutcomeOut(Strict):
    """How a tool call ended."""

    status: Literal["completed", "denied", "failed"]
    content: str
    code: str


class MessageOut(Strict):
    """One message of the conversation."""

    role: Literal["user", "assistant", "tool"]
    content: str
    tool_calls: list[CallRef] = []
    tool_call_id: str = ""
    outcome: OutcomeOut | None = None


class TurnOut(Strict):
    """What a worker needs to take a turn; `done` says that it has been taken, with `calls` following from it."""

    done: bool
    calls: int
    message_id: str
    model: str
    system_prompt: str
    max_tokens: int
    temperature: float
    tools: list[str]
    messages: list[MessageOut]


class Taken(Strict):
    """Answer to a turn's result."""

    calls: int


class PermitOut(Strict):
    """The word on a tool call."""

    state: Literal["allow", "settled"]
    tool: str
    arguments: str
    workspace: str


class WorkspaceOut(BaseModel):
    """A snapshot."""

    digest: str
    entries: list[EntryOut]


class EntryOut(BaseModel):
    """One file of a snapshot."""

    path: str
    mode: int
    size: int
    sha256: str
