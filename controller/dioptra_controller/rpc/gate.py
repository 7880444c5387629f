"""The gate that a call passes once its caller is known: rates, streams, bytes and time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from dioptra_controller.access.caller import Caller
from dioptra_controller.access.rules import RULES
from dioptra_controller.limits.traffic import Traffic, TrafficLimits
from dioptra_controller.rpc.reading import Read, read_request
from dioptra_ray.errors import UnavailableError

CALL_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the gate must know of a method.

    Attributes:
        method: Its full name.
        read: Makes a message of bytes.
        sends_stream: Whether requests are a stream.
        gets_stream: Whether responses are one.
    """

    method: str
    read: Read
    sends_stream: bool
    gets_stream: bool


class Gate:
    """Lets calls through, as many and as fast as the limits say.

    Args:
        limits: What each caller may.
        call_seconds: How long a call may take that brings no deadline, and how long a stream
            of requests may say nothing.
    """

    def __init__(
        self, limits: TrafficLimits | None = None, call_seconds: float = CALL_SECONDS
    ) -> None:
        self._traffic = Traffic(limits or TrafficLimits())
        self._seconds = call_seconds

    @asynccontextmanager
    async def passing(
        self, shape: Shape, caller: Caller, content: Any, context: Any
    ) -> AsyncIterator[Any]:
        """Let a call through, with its request or its stream of requests.

        Raises:
            ThrottledError: The caller is too fast, or has too much open.
            InvalidRequestError: What was sent is no request of this method.
            UnavailableError: It took too long.
        """
        rule = RULES.get(shape.method)
        self._traffic.admit(caller, changes=rule is not None and rule.mutates)
        is_stream = shape.sends_stream or shape.gets_stream
        with self._traffic.streaming(caller) if is_stream else nullcontext():
            if shape.sends_stream:
                yield self._read_stream(shape, caller, content)
                return
            await self._pace(caller, content)
            request = read_request(shape.read, content)
            if is_stream or context.time_remaining() is not None:
                yield request
                return
            try:
                async with asyncio.timeout(self._seconds) as timeout:
                    yield request
            except TimeoutError:
                if not timeout.expired():
                    raise
                raise UnavailableError(
                    f"the call took longer than {self._seconds:g} s; one that needs longer must "
                    "bring a deadline of its own"
                ) from None

    async def _read_stream(
        self, shape: Shape, caller: Caller, contents: AsyncIterator[bytes]
    ) -> AsyncIterator[Any]:
        # Runners are heard of regularly, or lose their leases.
        patience = None if caller.is_runner else self._seconds
        iterator = aiter(contents)
        while True:
            try:
                async with asyncio.timeout(patience):
                    content = await anext(iterator)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise UnavailableError(
                    f"nothing came for {patience:g} s, so the call was ended; send it again"
                ) from None
            await self._pace(caller, content)
            yield read_request(shape.read, content)

    async def _pace(self, caller: Caller, content: bytes) -> None:
        """Wait as long as the caller is ahead of its rate; gRPC then lets it wait too."""
        if wait := self._traffic.charge(caller, len(content)):
            await asyncio.sleep(wait)
