"""The corners of the table that round trips do not reach."""

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2

from dioptra_ray import errors
from dioptra_ray.language.issues import Issue
from dioptra_ray.wire.status import from_rpc_error, from_status, to_status


class SpecialError(errors.NotFoundError):
    reason = "SPECIAL"


class FakeCall(grpc.RpcError, grpc.Call):
    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def initial_metadata(self):
        return ()

    def trailing_metadata(self):
        return ()

    def is_active(self):
        return False

    def time_remaining(self):
        return None

    def cancel(self):
        return False

    def add_callback(self, callback):
        return False


def test_a_subclass_travels_as_its_parent() -> None:
    assert type(from_status(to_status(SpecialError("gone")))) is errors.NotFoundError


def test_the_root_is_an_internal_error() -> None:
    assert type(from_status(to_status(errors.DioptraError("?")))) is errors.InternalError


def test_unavailable_says_when_to_retry() -> None:
    status = to_status(errors.UnavailableError("busy"))
    delay = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(delay) for detail in status.details)
    assert delay.retry_delay.seconds >= 1


def test_a_foreign_status_is_judged_by_its_code() -> None:
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message="no")
    assert type(from_status(status)) is errors.InvalidRequestError


def test_surrogates_in_user_text_do_not_break_the_status() -> None:
    issue = Issue(severity="error", code="yaml", message="bad \ud800")
    error = errors.InvalidDescriptionError("bad \ud800", [issue], name="\ud800")
    assert type(from_status(to_status(error))) is errors.InvalidDescriptionError


def test_issues_are_bounded_and_say_so() -> None:
    issue = Issue(severity="error", code="step.cycle", message="x" * 1000)
    back = from_status(to_status(errors.InvalidDescriptionError("bad", [issue] * 5000)))
    assert isinstance(back, errors.InvalidDescriptionError)
    assert 100 < len(back.issues) < 5000
    assert back.issues[-1].code == "issues.truncated"
    assert str(5000 - (len(back.issues) - 1)) in back.issues[-1].message


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, errors.UnavailableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.UnavailableError),
        (grpc.StatusCode.UNKNOWN, errors.InternalError),
        (grpc.StatusCode.UNIMPLEMENTED, errors.InternalError),
        (grpc.StatusCode.NOT_FOUND, errors.NotFoundError),
    ],
)
def test_plain_rpc_errors(code: grpc.StatusCode, kind: type[errors.DioptraError]) -> None:
    error = from_rpc_error(FakeCall(code, "why"))
    assert type(error) is kind
    assert "why" in error.message


def test_a_refusal_of_an_asyncio_channel_is_understood() -> None:
    issue = Issue(severity="error", code="step.cycle", message="round and round")
    status = to_status(errors.InvalidDescriptionError("bad", [issue], entrypoint="e"))
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.aio.Metadata(),
        grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString())),
        details="bad",
    )
    back = from_rpc_error(error)
    assert isinstance(back, errors.InvalidDescriptionError)
    assert back.issues == (issue,)
    assert back.metadata == {"entrypoint": "e"}
