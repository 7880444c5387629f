"""Bringing structlog into the caller's logging, as Dioptra's worker does."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog


@contextmanager
def structlog_through_logging() -> Iterator[None]:
    """Hand what plugins say with structlog to `logging`, unless structlog is set up already."""
    if structlog.is_configured():
        yield
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            render_event,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    try:
        yield
    finally:
        structlog.reset_defaults()


def render_event(_logger: Any, _method: str, event: Mapping[str, Any]) -> str:
    """`what happened key=value ...`, then stack and exception on lines of their own."""
    words = [str(event.get("event", ""))]
    words.extend(
        f"{key}={value!r}"
        for key, value in event.items()
        if key not in ("event", "exception", "stack")
    )
    below = [str(event[key]) for key in ("stack", "exception") if key in event]
    return "\n".join([" ".join(words), *below])
