"""What goes wrong with an S3 service, said so that people know what to do."""

import http.client
import ssl
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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
from dioptra_ray.store.s3.answers import Answer

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
_ENCRYPTION = (
    InvalidRequestError,
    "{endpoint} cannot encrypt what is stored in {url} ({said}): check DIOPTRA_S3_ENCRYPTION.",
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
_REFUSED = 400
_SERVER_TROUBLE = 500
_LONGEST_WAIT = 30.0
_BY_STATUS = {403: "AccessDenied", 404: "NoSuchKey", 405: "MethodNotAllowed"}


class ServiceError(Exception):
    """What an S3 service refuses, in its own words.

    Attributes:
        status: Of HTTP.
        code: Its name for what is wrong.
        retry_after: After how many seconds it wants to be asked again.
    """

    def __init__(self, status: int, code: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.status = status
        self.code = code
        self.retry_after = retry_after


def read_error(answer: Answer) -> ServiceError:
    """The error that an answer of a bad status stands for."""
    told = error_in(answer)
    after = answer.headers.get("retry-after", "")
    return ServiceError(
        answer.status,
        told.code if told else _BY_STATUS.get(answer.status, f"HTTP status {answer.status}"),
        str(told).partition(": ")[2] if told else "",
        min(float(after), _LONGEST_WAIT) if after.isdecimal() else 0.0,
    )


def error_in(answer: Answer) -> ServiceError | None:
    """The error in the body of an answer, whatever its status is."""
    if b"<Error" not in answer.content[:1024]:
        return None
    texts = {}
    with suppress(ET.ParseError):
        for element in ET.fromstring(answer.content).iter():  # noqa: S314 - what the service says
            texts[element.tag.rpartition("}")[2]] = element.text or ""
    # Where a good status went before, the service found out too late.
    status = _SERVER_TROUBLE if answer.status < _REFUSED else answer.status
    return ServiceError(status, texts.get("Code", "unknown"), texts.get("Message", ""))


@contextmanager
def explained(url: str, endpoint: str) -> Iterator[None]:
    """Turn what the client raises into the errors of `dioptra_ray.errors`."""
    try:
        yield
    except DioptraError:
        raise
    except (ServiceError, S3Error) as error:
        raise _explain(error, url, endpoint) from error
    except (ServerError, InvalidResponseError, http.client.HTTPException) as error:
        raise UnavailableError(
            f"{endpoint} does not answer like an S3 service ({error or type(error).__name__}): "
            "check DIOPTRA_S3_ENDPOINT and DIOPTRA_S3_SECURE, or wait until the service is back."
        ) from error
    except (OSError, HTTPError) as error:
        raise _unreachable(_innermost(error), endpoint) from error
    except (MinioException, ValueError) as error:
        raise InvalidRequestError(f"{url} cannot be used as a store: {error}.") from error


def _explain(error: ServiceError | S3Error, url: str, endpoint: str) -> DioptraError:
    if not isinstance(error, ServiceError):
        error = ServiceError(error.response.status, error.code or "unknown", error.message or "")
    default = _LATER if error.status >= _SERVER_TROUBLE else _OTHERWISE
    kind, text = _BY_CODE.get(error.code, default)
    if "kms" in str(error).lower():
        kind, text = _ENCRYPTION
    return kind(text.format(endpoint=endpoint, url=url, said=error))


def _unreachable(error: BaseException, endpoint: str) -> UnavailableError:
    if isinstance(error, ssl.SSLError):
        return _untrusted(error, endpoint)
    said = str(error).rpartition(": ")[2] or type(error).__name__
    return UnavailableError(
        f"The S3 service {endpoint} cannot be reached ({said}): check "
        "DIOPTRA_S3_ENDPOINT and DIOPTRA_S3_SECURE, and that the service is up."
    )


def _untrusted(error: ssl.SSLError, endpoint: str) -> UnavailableError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return UnavailableError(
            f"The certificate of the S3 service {endpoint} is not trusted "
            f"({error.verify_message}): set DIOPTRA_S3_CA_FILE to the PEM file of the authority "
            "that signed it."
        )
    return UnavailableError(
        f"The S3 service {endpoint} does not speak TLS as this machine does "
        f"({error.reason or error}): check DIOPTRA_S3_ENDPOINT and DIOPTRA_S3_SECURE."
    )


def _innermost(error: BaseException) -> BaseException:
    for inner in (getattr(error, "reason", None), error.__cause__, *error.args):
        if isinstance(inner, BaseException):
            return _innermost(inner)
    return error
