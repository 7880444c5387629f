"""The one table between our errors and gRPC statuses, in both directions.

A status carries the error's class as `google.rpc.ErrorInfo.reason`, its metadata beside it,
the issues of a description as an `IssueList`, for what is worth repeating a `RetryInfo`, and the
id of the call that failed as a `RequestInfo`.
"""

import math
from typing import Final

import grpc
import grpc.aio
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from dioptra_ray import errors
from dioptra_ray.api.types.v1.issue_pb2 import IssueList
from dioptra_ray.wire.issues import clean, read_issues, write_issues

DOMAIN: Final = "dioptra-ray"
RETRY_SECONDS: Final = 1
# A client that nobody has told to take more than gRPC's 8 KiB of metadata gets its answer too:
# the message travels twice, once with everything but ASCII escaped.
MAX_MESSAGE: Final = 3_000
MAX_METADATA: Final = 500

_CODES: Final[dict[type[errors.DioptraError], int]] = {
    errors.InvalidDescriptionError: code_pb2.INVALID_ARGUMENT,
    errors.InvalidRequestError: code_pb2.INVALID_ARGUMENT,
    errors.NotFoundError: code_pb2.NOT_FOUND,
    errors.AlreadyExistsError: code_pb2.ALREADY_EXISTS,
    errors.PreconditionError: code_pb2.FAILED_PRECONDITION,
    errors.ConflictError: code_pb2.ABORTED,
    errors.OutOfRangeError: code_pb2.OUT_OF_RANGE,
    errors.ThrottledError: code_pb2.RESOURCE_EXHAUSTED,
    errors.ExhaustedError: code_pb2.RESOURCE_EXHAUSTED,
    errors.UnavailableError: code_pb2.UNAVAILABLE,
    errors.DataLossError: code_pb2.DATA_LOSS,
    errors.UnauthenticatedError: code_pb2.UNAUTHENTICATED,
    errors.PermissionDeniedError: code_pb2.PERMISSION_DENIED,
    errors.InternalError: code_pb2.INTERNAL,
    errors.DioptraError: code_pb2.INTERNAL,
}
_BY_REASON: Final = {kind.reason: kind for kind in _CODES if kind is not errors.DioptraError}
_BY_CODE: Final[dict[int, type[errors.DioptraError]]] = {
    **{code: kind for kind, code in _CODES.items() if kind is not errors.DioptraError},
    # What only gRPC itself says, never our servers.
    code_pb2.INVALID_ARGUMENT: errors.InvalidRequestError,
    code_pb2.DEADLINE_EXCEEDED: errors.UnavailableError,
    code_pb2.CANCELLED: errors.UnavailableError,
}


def to_status(error: errors.DioptraError) -> status_pb2.Status:
    """Write an error; what a subclass adds travels as what its parent in the tree is."""
    kind = next(kind for kind in type(error).__mro__ if kind in _CODES)
    status = status_pb2.Status(code=_CODES[kind], message=_shorten(error.message, MAX_MESSAGE))
    info = error_details_pb2.ErrorInfo(
        reason=kind.reason,
        domain=DOMAIN,
        metadata={name: clean(text)[:MAX_METADATA] for name, text in error.metadata.items()},
    )
    status.details.add().Pack(info)
    if isinstance(error, errors.InvalidDescriptionError):
        status.details.add().Pack(write_issues(error.issues))
    if isinstance(error, errors.UnavailableError):
        status.details.add().Pack(_retry_after(RETRY_SECONDS))
    if isinstance(error, errors.ThrottledError):
        status.details.add().Pack(_retry_after(error.retry_seconds))
    if error.request_id:
        status.details.add().Pack(error_details_pb2.RequestInfo(request_id=error.request_id))
    return status


def _shorten(text: str, most: int) -> str:
    """Text of at most so many bytes once gRPC has escaped it; says when it was cut."""
    text = clean(text)
    left = most
    for index, character in enumerate(text):
        left -= 1 if " " <= character <= "~" else 3 * len(character.encode())
        if left < 0:
            return f"{text[:index]}... (cut)"
    return text


def from_status(status: status_pb2.Status) -> errors.DioptraError:
    """Read an error; a status that is not ours is judged by its code."""
    error = _read_error(status)
    request = error_details_pb2.RequestInfo()
    if any(detail.Unpack(request) for detail in status.details):
        error.request_id = request.request_id
    return error


def _read_error(status: status_pb2.Status) -> errors.DioptraError:
    info = error_details_pb2.ErrorInfo()
    issues = IssueList()
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        # Unpack says whether the detail is of the message's type.
        _ = detail.Unpack(info) or detail.Unpack(issues) or detail.Unpack(retry)
    kind = _BY_CODE.get(status.code, errors.InternalError)
    if info.domain == DOMAIN:
        kind = _BY_REASON.get(info.reason, kind)
    metadata = dict(info.metadata)
    if issues.issues or kind is errors.InvalidDescriptionError:
        return errors.InvalidDescriptionError(status.message, read_issues(issues), **metadata)
    if kind is errors.ThrottledError:
        seconds = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        return errors.ThrottledError(status.message, retry_seconds=seconds, **metadata)
    return kind(status.message, **metadata)


def _retry_after(seconds: float) -> error_details_pb2.RetryInfo:
    whole = math.floor(seconds)
    delay = Duration(seconds=whole, nanos=math.floor((seconds - whole) * 1e9))
    return error_details_pb2.RetryInfo(retry_delay=delay)


def from_rpc_error(error: grpc.RpcError) -> errors.DioptraError:
    """Read what a stub raised, of either kind of channel."""
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return errors.InternalError(str(error))
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # the details contradict the code; the code is what gRPC vouches for
        status = None
    if status is not None:
        return from_status(status)
    code = error.code()
    kind = _BY_CODE.get(code.value[0], errors.InternalError)
    message = error.details() or f"the call ended with {code.name}"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        message = f"the controller does not know this call; is it of another version? ({message})"
    return kind(message)
