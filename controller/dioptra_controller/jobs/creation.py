"""Creating a job: everything is checked, and everything wrong is said at once."""

import datetime as dt
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from dioptra_controller.access import auditing, checks
from dioptra_controller.access.caller import Role, current
from dioptra_controller.jobs import artifact_inputs, records
from dioptra_controller.jobs.choices import check_choices
from dioptra_controller.jobs.compiling import Compiler
from dioptra_controller.jobs.ledger import Ledger
from dioptra_controller.jobs.open_jobs import OpenJob
from dioptra_controller.jobs.parameters import resolve
from dioptra_controller.jobs.records import JobRecord
from dioptra_controller.registry import experiments, names, queues
from dioptra_ray.errors import (
    InvalidDescriptionError,
    InvalidRequestError,
    NotFoundError,
)
from dioptra_ray.language.issues import Issue
from dioptra_ray.planning.environments import Environment

DEFAULT = "default"
DEFAULT_TIMEOUT = 24 * 3600.0
LONGEST_TIMEOUT = 366 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to run, where, and with what; empty texts and 0 mean the defaults.

    Attributes:
        entrypoint: Its name.
        entrypoint_snapshot: 0 for the newest.
        experiment: Its name.
        queue: Its name.
        parameters: Values by name; a `TextValue` is still to be coerced.
        artifact_inputs: Artifact ids by artifact parameter.
        swaps: The chosen aliases, by swap.
        description: Free text.
        timeout_seconds: How long an attempt may take.
    """

    entrypoint: str
    entrypoint_snapshot: int = 0
    experiment: str = ""
    queue: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    artifact_inputs: Mapping[str, int] = field(default_factory=dict)
    swaps: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    timeout_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A free slot for a job that is about to be made.

    Attributes:
        runner_id: Whose it is.
        give: Tells the runner, when the transaction commits, of the job with its row.
    """

    runner_id: str
    give: Callable[[OpenJob, Mapping[str, Any]], None]


Start = Callable[[sa.Connection, str], Place | None]
"""Finds a place for a new job of a queue, unless it must wait for one."""


def create_job(
    connection: sa.Connection,
    request: RunRequest,
    *,
    compiler: Compiler,
    now: dt.datetime,
    start: Start | None = None,
) -> JobRecord:
    """Create a queued job; it is started at once where `start` finds a place for it.

    Raises:
        InvalidDescriptionError: Parameters, swaps, artifacts or the graph are wrong; lists all.
        NotFoundError: No such entrypoint, queue, experiment or artifact.
        InvalidRequestError: The timeout is no time, or the description too long.
        PermissionDeniedError: The caller may not submit to the experiment.
    """
    shared, environment = check_shared(connection, request)
    checked = compiler.check(connection, request.entrypoint, request.entrypoint_snapshot)
    values, issues = resolve(checked.parameters, request.parameters)
    issues += check_choices(checked.swaps, request.swaps)
    issues += artifact_inputs.check_artifact_inputs(
        connection, checked.artifact_inputs, request.artifact_inputs
    )
    refuse(f"the job cannot run entrypoint {checked.snapshot.name!r}", issues)
    plan = compiler.compile(checked, "latency", request.swaps, environment)
    row = {
        **shared,
        **checked.columns,
        "parameters": json.dumps(values),
        "swaps": json.dumps(dict(request.swaps)),
        "plan_digest": compiler.store_plan(connection, plan, now),
    }
    return insert_job(connection, row, now, start)


def check_shared(
    connection: sa.Connection, request: RunRequest
) -> tuple[dict[str, Any], Environment]:
    """Check what does not depend on the entrypoint.

    Returns:
        The columns that follow from it, and the environment of the queue.
    """
    names.check_text("description", request.description)
    experiment, queue = request.experiment or DEFAULT, request.queue or DEFAULT
    belonging = check_experiment(connection, experiment)
    environment = queues.get_environment(connection, queue)
    seconds = request.timeout_seconds
    if not math.isfinite(seconds) or not 0 <= seconds <= LONGEST_TIMEOUT:
        raise InvalidRequestError(
            f"timeout_seconds is {seconds:g}; use 0 for 24 hours, or up to {LONGEST_TIMEOUT:g}"
        )
    columns = {
        **belonging,
        "experiment": experiment,
        "queue": queue,
        "description": request.description,
        "artifact_inputs": json.dumps(dict(request.artifact_inputs)),
        "timeout_seconds": seconds or DEFAULT_TIMEOUT,
    }
    return columns, environment


def check_experiment(connection: sa.Connection, experiment: str) -> dict[str, Any]:
    """What a job or a sweep of the caller has from its experiment.

    Raises:
        NotFoundError: There is no such experiment.
        PermissionDeniedError: The caller may not submit to it.
    """
    group = experiments.get_group(connection, experiment)
    checks.require(Role.SUBMITTER, group)
    return {"group_name": group, "owner": current().subject}


def refuse(message: str, issues: Sequence[Issue]) -> None:
    """Raise if there are any issues.

    Raises:
        NotFoundError: Only artifacts are wrong, and only because they do not exist.
        InvalidDescriptionError: Otherwise.
    """
    if not issues:
        return
    if all(issue.code == artifact_inputs.NOT_FOUND for issue in issues):
        raise NotFoundError("; ".join(issue.message for issue in issues), kind="artifact")
    raise InvalidDescriptionError(message, issues)


def insert_job(
    connection: sa.Connection, row: Mapping[str, Any], now: dt.datetime, start: Start | None
) -> JobRecord:
    """Insert a job, started if that can be; return it without its steps."""
    place = None if start is None else start(connection, row["queue"])
    ledger = Ledger(connection, now)
    job = ledger.make(row, None if place is None else place.runner_id)
    auditing.about(f"job {job.id} of entrypoint {row['entrypoint']}")
    ledger.write()
    if place is not None:
        place.give(job, row)
    return records.of_row(job, row, now)
