"""The errors that dioptra-ray raises, the same in the library, the client and the controller.

    DioptraError                     anything below; an unknown one is a bug of ours
    ├── InvalidRequestError          your input; sending it again changes nothing
    │   └── InvalidDescriptionError  an entrypoint or registration with `issues`
    ├── NotFoundError                no such plugin, entrypoint, job, artifact ...
    ├── AlreadyExistsError           the name is taken
    ├── PreconditionError            not in the state that the call needs
    ├── ConflictError                changed meanwhile: read again, then retry
    ├── OutOfRangeError              a position that does not exist (yet, or any more)
    ├── ExhaustedError               too large, or too many
    │   └── ThrottledError           too fast: the same again after `retry_seconds`
    ├── UnavailableError             nobody answers: back off and retry
    ├── DataLossError                stored bytes do not match their checksum
    ├── UnauthenticatedError         no or a wrong token
    ├── PermissionDeniedError        not yours
    └── InternalError                the other side has a bug; its log has the details

`dioptra_ray.wire.status` maps each to one gRPC status and back; nothing else knows of gRPC.
"""

from collections.abc import Sequence
from typing import ClassVar

from dioptra_ray.language.issues import Issue

_MOST_SHOWN = 20


class DioptraError(Exception):
    """Root of all errors that a caller may want to handle.

    Attributes:
        reason: Stable upper-case name, sent over the wire.
        metadata: What the message is about, by field name.
        request_id: Of the call that failed, as the controller's log has it; else empty.
    """

    reason: ClassVar[str] = "INTERNAL"
    request_id: str = ""

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


class InvalidRequestError(DioptraError):
    """The input is wrong; sending it again changes nothing."""

    reason = "INVALID_REQUEST"


class InvalidDescriptionError(InvalidRequestError):
    """An entrypoint or a registration has problems; `issues` lists all of them."""

    reason = "INVALID_DESCRIPTION"

    def __init__(self, message: str, issues: Sequence[Issue] = (), **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.issues = tuple(issues)

    def __str__(self) -> str:
        """The message, then a line for each of the first problems."""
        shown = [f"\n  {_place(issue)}{issue.message}" for issue in self.issues[:_MOST_SHOWN]]
        more = len(self.issues) - len(shown)
        return self.message + "".join(shown) + (f"\n  and {more} more" if more else "")


def _place(issue: Issue) -> str:
    parts = [str(part) for part in (issue.file, issue.line, issue.column) if part]
    return ":".join(parts) + ": " if parts else ""


class NotFoundError(DioptraError):
    """What was asked for does not exist."""

    reason = "NOT_FOUND"


class AlreadyExistsError(DioptraError):
    """The name is taken."""

    reason = "ALREADY_EXISTS"


class PreconditionError(DioptraError):
    """Something is not in the state that the call needs."""

    reason = "FAILED_PRECONDITION"


class ConflictError(DioptraError):
    """It was changed meanwhile: read again, then retry."""

    reason = "CONFLICT"


class OutOfRangeError(DioptraError):
    """The position does not exist, yet or any more."""

    reason = "OUT_OF_RANGE"


class ExhaustedError(DioptraError):
    """Too large, or too many."""

    reason = "EXHAUSTED"


class ThrottledError(ExhaustedError):
    """Too many calls in too short a time; the same call is taken after `retry_seconds`."""

    reason = "THROTTLED"

    def __init__(self, message: str, *, retry_seconds: float = 1.0, **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.retry_seconds = retry_seconds


class UnavailableError(DioptraError):
    """Nobody answers; back off and retry."""

    reason = "UNAVAILABLE"


class DataLossError(DioptraError):
    """Stored bytes do not match their checksum."""

    reason = "DATA_LOSS"


class UnauthenticatedError(DioptraError):
    """No token was given, or a wrong one."""

    reason = "UNAUTHENTICATED"


class PermissionDeniedError(DioptraError):
    """The caller may not do this."""

    reason = "PERMISSION_DENIED"


class InternalError(DioptraError):
    """The other side has a bug; its log has the details."""

    reason = "INTERNAL"
