"""What goes wrong with an S3 service, said so that people know what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from dioptra_ray.errors import (
    DioptraError,
    ExhaustedError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnavailableError,
)

_KEYS_REFUSED = (
    PermissionDeniedError,
    (
        "{endpoint} does not accept the access key or its secret ({said}): check "
        "DIOPTRA_S3_ACCESS_KEY and DIOPTRA_S3_SECRET_KEY."
    ),
)
_NOT_ALLOWED = (
    PermissionDeniedError,
    (
        "{endpoint} does not let this access key use {url} ({said}): give it the right to list, "
        "read, write and delete there."
    ),
)
_MISSING = (NotFoundError, "There is no such object in {url} ({said}).")
_FULL = (ExhaustedError, "{url} has no room for this ({said}).")
_LATER = (UnavailableError, "{endpoint} cannot serve now ({said}).")
_OTHERWISE = (InvalidRequestError, "{endpoint} refuses the request for {url} ({said}).")
_BY_CODE: dict[str, tuple[type[DioptraError], str]] = {
    "AccessDenied": _NOT_ALLOWED,
    "AllAccessDisabled": _NOT_ALLOWED,
    "EntityTooLarge": _FULL,
    "InsufficientCapacity": _FULL,
    "InternalError": _LATER,
    "InvalidAccessKeyId": _KEYS_REFUSED,
    "KeyTooLongError": (
        InvalidRequestError,
        "A name is too long for {url} ({said}): S3 allows 1024 bytes for folder and name.",
    ),
    "MethodNotAllowed": _NOT_ALLOWED,
    "NoSuchBucket": (
        PreconditionError,
        "The bucket of {url} does not exist at {endpoint}: create it, or correct the URL.",
    ),
    "NoSuchKey": _MISSING,
    "NoSuchObject": _MISSING,
    "NoSuchUpload": _LATER,
    "OperationAborted": _LATER,
    "QuotaExceeded": _FULL,
    "RequestTimeTooSkewed": (
        PreconditionError,
        "{endpoint} refuses requests because this machine's clock is wrong ({said}): set it.",
    ),
    "RequestTimeout": _LATER,
    "SignatureDoesNotMatch": _KEYS_REFUSED,
    "SlowDown": _LATER,
}
_SERVER_TROUBLE = 500


@contextmanager
def explained(url: str, endpoint: str) -> Iterator[None]:
    """Turn what the client raises into the errors of `dioptra_ray.errors`."""
    try:
        yield
    except DioptraError:
        raise
    except S3Error as error:
        raise _explain(error, url, endpoint) from error
    except (ServerError, InvalidResponseError) as error:
        raise UnavailableError(
            f"{endpoint} does not answer like an S3 service ({error}): check "
            "DIOPTRA_S3_ENDPOINT and DIOPTRA_S3_SECURE, or wait until the service is back."
        ) from error
    except HTTPError as error:
        raise UnavailableError(
            f"The S3 service {endpoint} cannot be reached ({_innermost(error)}): check "
            "DIOPTRA_S3_ENDPOINT and DIOPTRA_S3_SECURE, and that the service is up."
        ) from error
    except (MinioException, ValueError) as error:
        raise InvalidRequestError(f"{url} cannot be used as a store: {error}.") from error


def _explain(error: S3Error, url: str, endpoint: str) -> DioptraError:
    code = error.code or "unknown"
    default = _LATER if error.response.status >= _SERVER_TROUBLE else _OTHERWISE
    kind, text = _BY_CODE.get(code, default)
    said = f"{code}: {error.message}" if error.message else code
    return kind(text.format(endpoint=endpoint, url=url, said=said))


def _innermost(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _innermost(reason)
    return str(error).rpartition(": ")[2] or type(error).__name__
