"""Metrics of a running job, the way Dioptra's own plugins report them."""

import os

import structlog
from dioptra.sdk.utilities.auth_client import get_authenticated_worker_client

LOGGER = structlog.get_logger()


def report_metric(name: str, value: float, step: int = 0) -> None:
    """Record a metric under the job that this process runs."""
    client = get_authenticated_worker_client(LOGGER, "json")
    client.jobs.append_metric_by_id(
        job_id=os.environ["__JOB_ID"], metric_name=name, metric_value=value, metric_step=step
    )
