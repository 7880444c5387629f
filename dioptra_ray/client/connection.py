"""One channel to a controller: the token, retries, and our errors instead of gRPC's.

Every stream is cancelled when its iterator ends for whatever reason: an abandoned gRPC call
is never collected, and so never cancelled, by itself (grpc/grpc#43462).
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

import grpc
import grpc.experimental

from dioptra_ray.client.backoff import Backoff, asked_of
from dioptra_ray.client.cancellation import Cancellation, CancelledError
from dioptra_ray.client.outage import Outage
from dioptra_ray.errors import DioptraError, PreconditionError, ThrottledError, UnavailableError
from dioptra_ray.wire.status import from_rpc_error
from dioptra_ray.wire.transport import Transport

MAX_MESSAGE: Final = 80 * 1024 * 1024  # an import of 64 MiB, and what surrounds it
CALL_SECONDS: Final = 60.0
PROBE_SECONDS: Final = 2.0
OPTIONS: Final = (
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    # Statuses carry every issue of a description in their metadata.
    ("grpc.max_metadata_size", 1024 * 1024),
    ("grpc.absolute_max_metadata_size", 2 * 1024 * 1024),
    # Finds out within a minute that the other side of a quiet watch is gone.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Retries are ours: they know which calls may be repeated.
    ("grpc.enable_retries", 0),
    # Whoever reads a stream waits for it by itself, without a thread in between.
    (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),
)

PLAIN: Final = Transport()

Request = TypeVar("Request")
Response = TypeVar("Response")


class Connection:
    """A channel to one controller."""

    def __init__(
        self,
        address: str,
        *,
        token: str | None,
        patience: float,
        tell: Callable[[str], None] = lambda _: None,
        transport: Transport = PLAIN,
    ) -> None:
        transport.check_token(address, token)
        self.address = address
        self._outage = Outage(tell)
        self._is_closed = False
        self.patience = patience
        self.channel = _open(address, transport)
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    def close(self) -> None:
        """Close the channel; calls under way end with an error."""
        self._is_closed = True
        self.channel.close()

    def backoff(self, cancellation: Cancellation | None = None) -> Backoff:
        """A fresh sequence of delays between the attempts at a stream."""
        return Backoff(
            patience=self.patience,
            sleep=time.sleep if cancellation is None else cancellation.sleep,
            failing=self._outage.begin,
            working=self._outage.end,
        )

    def call(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        *,
        timeout: float = CALL_SECONDS,
    ) -> Response:
        """Call and, while nobody answers, call again: every call of ours may be repeated.

        A controller that finds us too fast is obeyed: the call waits for as long as it says.

        Raises:
            DioptraError: What the controller says, or UnavailableError.
        """
        return self.retry(lambda: method(request, timeout=timeout, metadata=self._metadata))

    def send(
        self,
        method: "grpc.StreamUnaryMultiCallable[Request, Response]",
        requests: Callable[[], Iterable[Request]],
    ) -> Response:
        """Stream requests and, when the connection is lost, all of them again."""
        return self.retry(lambda: method(iter(requests()), metadata=self._metadata))

    def ask(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        deadline: float | None = None,
        *,
        patience: float = CALL_SECONDS,
        what: str = "it",
    ) -> Response:
        """Call, once, something that answers when it has news.

        Args:
            method: What to call.
            request: What to say.
            deadline: The monotonic clock at which to give up; None means never.
            patience: Seconds after which the controller has answered if it is there.
            what: Whom the deadline is about.

        Raises:
            DioptraError: What the controller says, or UnavailableError.
            TimeoutError: The monotonic clock has reached the deadline.
        """
        self._check_open()
        if self._outage.is_on:
            self._probe()
        left = patience if deadline is None else min(patience, max(deadline - time.monotonic(), 0))
        try:
            response = method(request, timeout=left, metadata=self._metadata)
        except grpc.RpcError as error:
            if _is_over(deadline):
                raise _too_late(what) from None
            raise self._explain(error) from None
        return response

    def stream(
        self,
        method: "grpc.UnaryStreamMultiCallable[Request, Response]",
        request: Request,
        deadline: float | None = None,
        cancellation: Cancellation | None = None,
        *,
        what: str = "it",
    ) -> Iterator[Response]:
        """Stream responses, once: whoever reads them knows where to resume.

        Raises:
            DioptraError: What the controller says, or UnavailableError.
            TimeoutError: The monotonic clock has reached the deadline.
            CancelledError: It was cancelled through `cancellation`.
        """
        self._check_open()
        if self._outage.is_on:
            self._probe()
        left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        call = method(request, metadata=self._metadata, timeout=left)
        try:
            with (cancellation or Cancellation()).covering(call):
                yield from call
        except grpc.RpcError as error:
            if cancellation is not None and cancellation.is_cancelled:
                raise CancelledError from None
            if _is_over(deadline):
                raise _too_late(what) from None
            raise self._explain(error) from None
        finally:
            call.cancel()

    def retry(self, attempt: Callable[[], Response]) -> Response:
        """Try until it works, fails for good, or patience is at its end."""
        backoff = Backoff(patience=self.patience)
        while True:
            self._check_open()
            try:
                return attempt()
            except grpc.RpcError as error:
                explained = self._explain(error)
            if not isinstance(explained, UnavailableError | ThrottledError):
                raise explained
            if not backoff.wait(asked_of(explained)):
                raise explained

    def _check_open(self) -> None:
        if self._is_closed:
            raise PreconditionError(
                f"this client of {self.address} is closed: use it within its `with`, or make "
                "another one"
            )

    def _probe(self) -> None:
        """See whether the controller is back: a stream that it has taken may be silent."""
        check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check"
        )
        try:
            check(b"", timeout=PROBE_SECONDS)
        except grpc.RpcError as error:
            if isinstance(from_rpc_error(error), UnavailableError):
                return
        self._outage.end()

    def _explain(self, error: grpc.RpcError) -> DioptraError:
        explained = from_rpc_error(error)
        if not isinstance(explained, UnavailableError) or _was_answered(error):
            return explained
        return UnavailableError(
            f"no controller answers at {self.address} ({explained.message})", address=self.address
        )


def _open(address: str, transport: Transport) -> grpc.Channel:
    credentials = transport.credentials(address)
    target = transport.target(address)
    if credentials is None:
        return grpc.insecure_channel(target, options=OPTIONS)
    return grpc.secure_channel(target, credentials, options=OPTIONS)


def _was_answered(error: grpc.RpcError) -> bool:
    if not isinstance(error, grpc.Call):
        return False
    keys = [item[0] for item in error.trailing_metadata() or ()]
    return "grpc-status-details-bin" in keys


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline


def _too_late(what: str) -> TimeoutError:
    return TimeoutError(f"{what} has not ended in time; it goes on")


def deadline_after(timeout: float | None) -> float | None:
    """The moment of the monotonic clock that is `timeout` seconds from now."""
    return None if timeout is None else time.monotonic() + timeout
