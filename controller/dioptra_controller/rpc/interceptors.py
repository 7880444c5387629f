"""What every call goes through: a request id, its caller and rule, and our errors as statuses."""

import inspect
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, TypeAlias

import grpc
import grpc.aio
import structlog
from grpc_status import rpc_status

from dioptra_controller.access import rules
from dioptra_controller.access.caller import CONTROLLER, act_as
from dioptra_controller.access.verifying import Verifier
from dioptra_ray.errors import DioptraError, InternalError
from dioptra_ray.wire.status import to_status

REQUEST_ID = "x-request-id"
_OPEN_PREFIX = "/grpc.health.v1.Health/"
_MAX_REQUEST_ID = 128

_log = structlog.get_logger("dioptra_controller.rpc")

OptionalHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class GuardInterceptor(grpc.aio.ServerInterceptor):
    """Guards unary and streaming calls alike.

    Args:
        verifier: Knows the callers; every call but health checks must have one.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[OptionalHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> OptionalHandler:
        """Wrap the handler of a call; None (no such method) stays None."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(_OPEN_PREFIX):
            return handler
        call = _Call(handler, handler_call_details.method, self._verifier)
        kind = f"{_arity(handler.request_streaming)}_{_arity(handler.response_streaming)}"
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        wrapped: Handler = make(
            call.stream if handler.response_streaming else call.answer,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return wrapped


class _Call:
    """One method, guarded."""

    def __init__(self, handler: Handler, method: str, verifier: Verifier) -> None:
        kind = f"{_arity(handler.request_streaming)}_{_arity(handler.response_streaming)}"
        self._function: Callable[[Any, Any], Any] = getattr(handler, kind)
        self._method = method
        self._verifier = verifier

    async def answer(self, request: Any, context: Any) -> Any:
        """Run a method with one response."""
        failure: DioptraError
        with self._bound(context):
            try:
                await self._admit(context)
                return await self._function(request, context)
            except Exception as error:  # noqa: BLE001 - everything becomes a status
                failure = _judge(error)
            await _abort(context, failure)
        return None

    async def stream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Run a method with many responses, yielded or written to the context."""
        failure: DioptraError
        with self._bound(context):
            try:
                await self._admit(context)
                result = self._function(request, context)
                if inspect.isasyncgen(result):
                    async with aclosing(result):
                        async for response in result:
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

    async def _admit(self, context: Any) -> None:
        """Let nobody call who may not; from here on the caller acts.

        Raises:
            UnauthenticatedError, PermissionDeniedError: The caller may not.
        """
        value = dict(context.invocation_metadata() or ()).get("authorization", "")
        caller = await self._verifier.identify(str(value))
        structlog.contextvars.bind_contextvars(subject=caller.subject)
        rule = rules.find_rule(self._method)
        rules.check(rule, caller)
        # What runners report concerns the jobs of all groups.
        act_as(CONTROLLER if rule.for_runners else caller)


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
    await context.abort_with_status(rpc_status.to_status(to_status(failure)))


def _arity(streaming: bool) -> str:
    return "stream" if streaming else "unary"
