"""One error tree: a status, a stable code, a message for people and a hint that says what to do.

Contract: every failure that reaches a person or a client is a SkerryError. `code` is stable once released and
is what tests, documents and clients name; `message` and `hint` may be reworded. A CLI prints `message` and
`hint` on a line each; an API answers problem details (RFC 9457) made from the same four parts.
"""

from __future__ import annotations


class SkerryError(Exception):
    """A failure with a stable code.

    Args:
        code: dotted lower-case name, `<room>.<what>`, e.g. `stack.unknown_service`.
        message: one line: what happened, with the names involved.
        hint: one line: what to do about it.
    """

    status = 500

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


class InvalidInputError(SkerryError):
    """What was given cannot be used as it is."""

    status = 400


class UnauthenticatedError(SkerryError):
    """Nobody we know is calling."""

    status = 401


class DeniedError(SkerryError):
    """The caller is known and may not do this."""

    status = 403


class NotFoundError(SkerryError):
    """There is no such thing, or it is somebody else's: the caller cannot tell which."""

    status = 404


class ConflictError(SkerryError):
    """The state has moved on, or forbids this step."""

    status = 409


class UnavailableError(SkerryError):
    """Something we depend on does not answer; the same request may work later."""

    status = 503


class PreconditionError(SkerryError):
    """The host or its state does not let us start: nothing has been touched."""

    status = 412


class ProcessError(SkerryError):
    """A program we ran failed or overran its deadline."""


class IntegrityError(SkerryError):
    """Bytes are not what their digest, lock or signature says."""
