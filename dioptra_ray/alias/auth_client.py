"""Dioptra's way for plugins to record metrics: a client that is logged in.

Inside a job of ours there is nothing to log in to: the metric goes the way of
`current_job().log_metric`.
"""

import json
import logging
import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from dioptra_ray.context import current_job
from dioptra_ray.errors import InvalidRequestError

ClientType = Literal["json", "response"]


@dataclass(frozen=True, slots=True)
class Response:
    """What the "response" client returns: a small part of an HTTP response."""

    content: dict[str, Any]
    status_code: int = 200
    ok: bool = True

    @property
    def text(self) -> str:
        """The body."""
        return json.dumps(self.content)

    def json(self) -> dict[str, Any]:
        """The body, decoded."""
        return self.content

    def raise_for_status(self) -> None:
        """Do nothing: a refused call raised before."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """The part of the client that is about jobs."""

    client_type: ClientType

    def append_metric_by_id(
        self,
        job_id: str | int,
        metric_name: str,
        metric_value: float,
        metric_step: int | None = None,
        timestamp: datetime | None = None,
    ) -> Any:
        """Record a metric of the current job, at the present time."""
        job = current_job()
        if job.id is not None and str(job_id) != str(job.id):
            raise InvalidRequestError(
                f"A plugin can record metrics for its own job, {job.id}, not for job {job_id}."
            )
        value = float(metric_value)
        job.log_metric(metric_name, value, _read_step(metric_step))
        content = {"name": metric_name, "value": value if math.isfinite(value) else str(value)}
        return content if self.client_type == "json" else Response(content)


@dataclass(frozen=True, slots=True)
class WorkerClient:
    """Dioptra's client, as far as a plugin can use it here: `jobs.append_metric_by_id`."""

    client_type: ClientType = "response"
    jobs: Jobs = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "jobs", Jobs(self.client_type))


def get_authenticated_worker_client(
    log: logging.Logger | Any,  # noqa: ARG001 - Dioptra's signature
    client_type: ClientType = "response",
) -> WorkerClient:
    """A client for the current job; `log` is taken as Dioptra takes it, and not needed."""
    return WorkerClient(client_type)


def _read_step(step: Any) -> Any:
    """Dioptra takes the digits of a step as text, too."""
    if step is None:
        return 0
    try:
        return int(step) if isinstance(step, str) else step
    except ValueError:
        return step
