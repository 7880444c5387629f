"""What every call goes through: a request id, its caller and rule, and our errors as statuses."""

import inspect
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, TypeAlias

import grpc
import grpc.aio
import structlog
from grpc_status import rpc_status

from dioptra_controller.access import auditing, rules
from dioptra_controller.access.caller import CONTROLLER, Caller, act_as
from dioptra_controller.access.verifying import Verifier
from dioptra_controller.database.engine import Database
from dioptra_controller.rpc.gate import Gate, Shape
from dioptra_ray.errors import DioptraError, InternalError, PermissionDeniedError
from dioptra_ray.wire.status import to_status

REQUEST_ID = "x-request-id"
_OPEN_PREFIX = "/grpc.health.v1.Health/"
_MAX_REQUEST_ID = 128
_CERTIFICATE_NAMES = ("x509_common_name", "x509_subject_alternative_name")
# Of a call that has only waited: meanwhile its token may have been revoked.
_LONG_SECONDS = 1.0

_log = structlog.get_logger("dioptra_controller.rpc")

OptionalHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class GuardInterceptor(grpc.aio.ServerInterceptor):
    """Guards unary and streaming calls alike.

    Args:
        verifier: Knows the callers; every call but health checks must have one.
        database: Where the audit log is.
        gate: Limits what each caller may; the default lets everything through.
    """

    def __init__(self, verifier: Verifier, database: Database, gate: Gate | None = None) -> None:
        self._verifier = verifier
        self._database = database
        self._gate = gate or Gate()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[OptionalHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> OptionalHandler:
        """Wrap the handler of a call; None (no such method) stays None."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(_OPEN_PREFIX):
            return handler
        method = handler_call_details.method
        call = _Call(handler, method, self._verifier, self._database, self._gate)
        kind = f"{_arity(handler.request_streaming)}_{_arity(handler.response_streaming)}"
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        wrapped: Handler = make(
            call.stream if handler.response_streaming else call.answer,
            request_deserializer=None,
            response_serializer=handler.response_serializer,
        )
        return wrapped


class _Call:
    """One method, guarded."""

    def __init__(
        self,
        handler: Handler,
        method: str,
        verifier: Verifier,
        database: Database,
        gate: Gate,
    ) -> None:
        kind = f"{_arity(handler.request_streaming)}_{_arity(handler.response_streaming)}"
        self._function: Callable[[Any, Any], Any] = getattr(handler, kind)
        self._method = method
        self._verifier = verifier
        self._database = database
        self._gate = gate
        self._shape = Shape(
            method=method,
            read=handler.request_deserializer or bytes,
            sends_stream=handler.request_streaming,
            gets_stream=handler.response_streaming,
        )

    async def answer(self, content: Any, context: Any) -> Any:
        """Run a method with one response."""
        failure: DioptraError
        with self._bound(context):
            try:
                async with self._admitted(content, context) as request:
                    begun = time.monotonic()
                    response = await self._function(request, context)
                    if time.monotonic() - begun > _LONG_SECONDS:
                        await self._admit_still(context)
                    return response
            except Exception as error:  # noqa: BLE001 - everything becomes a status
                failure = _judge(error)
            await _abort(context, failure)
        return None

    async def stream(self, content: Any, context: Any) -> AsyncIterator[Any]:
        """Run a method with many responses, yielded or written to the context."""
        failure: DioptraError
        with self._bound(context):
            try:
                async with self._admitted(content, context) as request:
                    result = self._function(request, context)
                    if inspect.isasyncgen(result):
                        async with aclosing(result):
                            async for response in result:
                                await self._admit_still(context)
                                yield response
                    else:
                        await result
            except Exception as error:  # noqa: BLE001 - everything becomes a status
                failure = _judge(error)
            else:
                return
            await _abort(context, failure)

    @contextmanager
    def _bound(self, context: Any) -> Iterator[None]:
        given = dict(context.invocation_metadata() or ()).get(REQUEST_ID, "")
        usable = isinstance(given, str) and given.isprintable() and len(given) <= _MAX_REQUEST_ID
        request_id = given if given and usable else uuid.uuid4().hex
        structlog.contextvars.bind_contextvars(request_id=request_id, method=self._method)
        try:
            yield
        finally:
            structlog.contextvars.clear_contextvars()

    @asynccontextmanager
    async def _admitted(self, content: Any, context: Any) -> AsyncIterator[Any]:
        """Let nobody in who may not call, or calls too much.

        Raises:
            UnauthenticatedError, PermissionDeniedError: The caller may not.
            ThrottledError, InvalidRequestError, UnavailableError: As `Gate.passing`.
        """
        caller = await self._verifier.identify(*_credentials(context))
        structlog.contextvars.bind_contextvars(subject=caller.subject)
        passing = self._gate.passing(self._shape, caller, content, context)
        # What is refused here was never tried, so the audit log does not have it.
        async with passing as request, self._audited(caller, request, context):
            yield request

    @asynccontextmanager
    async def _audited(self, caller: Caller, request: Any, context: Any) -> AsyncIterator[None]:
        """Within, the caller acts if it may, and what it does is audited.

        Raises:
            PermissionDeniedError: It may not.
        """
        entry = auditing.Entry(
            caller=caller,
            method=self._method.rpartition(".")[2],
            resource=auditing.describe(self._method, request),
            request_id=str(structlog.contextvars.get_contextvars()["request_id"]),
            peer=context.peer(),
        )
        mutates = True
        try:
            rule = rules.find_rule(self._method)
            mutates = rule.mutates
            rules.check(rule, caller)
            # What runners report concerns the jobs of all groups.
            act_as(CONTROLLER if rule.for_runners else caller)
            if mutates:
                auditing.begin(entry)
            yield
        except Exception as error:
            if mutates or isinstance(error, PermissionDeniedError):
                reason = error.reason if isinstance(error, DioptraError) else InternalError.reason
                await auditing.finish(self._database, entry, reason)
            raise
        if mutates:
            await auditing.finish(self._database, entry, auditing.OK)

    async def _admit_still(self, context: Any) -> None:
        """End a call whose token was revoked, or has expired, before it says more.

        Raises:
            UnauthenticatedError: The token is good no more.
        """
        await self._verifier.identify(*_credentials(context))


def _judge(error: Exception) -> DioptraError:
    """Pass our own errors on; log any other and hide what it says."""
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, DioptraError) and type(error) is not DioptraError:
        _log.info("call.refused", reason=error.reason, message=error.message)
        return error
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    _log.error("call.crashed", exc_info=error)
    return InternalError(
        f"the controller has a bug; its log has the details under request id {request_id}",
        request_id=str(request_id),
    )


async def _abort(context: Any, failure: DioptraError) -> None:
    failure.request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
    await context.abort_with_status(rpc_status.to_status(to_status(failure)))


def _credentials(context: Any) -> tuple[str, Collection[str]]:
    """What a caller shows: the metadata `authorization`, and the names in its certificate."""
    authorization = str(dict(context.invocation_metadata() or ()).get("authorization", ""))
    if authorization:
        return authorization, ()
    shown = context.auth_context()
    names = [name for key in _CERTIFICATE_NAMES for name in shown.get(key, ())]
    return "", [name.decode("utf-8", "replace") for name in names]


def _arity(streaming: bool) -> str:
    return "stream" if streaming else "unary"
