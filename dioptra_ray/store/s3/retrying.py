"""When a request to a service is sent again, and when that would be in vain."""

import http.client
import random
import ssl
import time
from collections.abc import Callable
from typing import TypeVar

from dioptra_ray.store.s3.connections import StaleConnectionError
from dioptra_ray.store.s3.errors import ServiceError

Result = TypeVar("Result")

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
_STALE_AT_MOST = 40
_LATER_STATUS = (429, 500, 502, 503, 504)
_LATER_CODES = ("InternalError", "OperationAborted", "RequestTimeout", "SlowDown")


def persist(attempt: Callable[[], Result], patience: float) -> Result:
    """Make an attempt, and more of them for `patience` seconds while that may help.

    The pauses grow, and are random so that those who failed together do not come back
    together. What the attempt raised last is raised.
    """
    end = time.monotonic() + patience
    pause = FIRST_PAUSE
    stale = 0
    while True:
        try:
            return attempt()
        except StaleConnectionError:
            stale += 1
            if stale > _STALE_AT_MOST:
                raise
            continue
        except (OSError, http.client.HTTPException, ServiceError) as error:
            wait = max(random.uniform(pause / 2, pause), _asked_for(error))  # noqa: S311 - jitter
            if not _may_pass(error) or time.monotonic() + wait > end:
                raise
        time.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE)


def _may_pass(error: Exception) -> bool:
    if isinstance(error, ServiceError):
        return error.status in _LATER_STATUS or error.code in _LATER_CODES
    # A certificate does not get better; neither does a service that speaks no TLS.
    return not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError)


def _asked_for(error: Exception) -> float:
    return error.retry_after if isinstance(error, ServiceError) else 0.0
