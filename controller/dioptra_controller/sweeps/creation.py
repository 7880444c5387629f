"""Creating a sweep: each value of the space is checked once, never each combination."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dioptra_controller.database.engine import notify
from dioptra_controller.database.job_tables import SWEEPS
from dioptra_controller.jobs import artifact_inputs
from dioptra_controller.jobs.compiling import Compiler
from dioptra_controller.jobs.creation import RunRequest, check_shared, refuse
from dioptra_controller.jobs.notices import WorkArrived
from dioptra_controller.jobs.parameters import (
    Parameters,
    UnfitValueError,
    fit,
    issue,
    resolve,
)
from dioptra_controller.jobs.sweep_counts import SweepState
from dioptra_controller.sweeps.space import Dimension, Grid, PointList, Space
from dioptra_ray.language.issues import Issue

MAX_SIZE = 10_000_000
# A refusal has to stay readable.
_MOST_ISSUES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest:
    """What to run for every point of a space; `run.parameters` are those that do not vary."""

    run: RunRequest
    space: Space


def create_sweep(
    connection: sa.Connection, request: SweepRequest, *, compiler: Compiler, now: dt.datetime
) -> int:
    """Create a sweep and return its id; its trials are made as they are needed.

    Raises:
        InvalidDescriptionError: Space, parameters, artifacts or graph are wrong; lists all.
        NotFoundError: No such entrypoint, queue, experiment or artifact.
        InvalidRequestError: The timeout is no time, or the description too long.
    """
    run = request.run
    shared = check_shared(connection, run, compiler)
    compiled = compiler.compile(connection, run.entrypoint, run.entrypoint_snapshot, "throughput")
    space, issues = fit_space(compiled.parameters, request.space)
    values, more = resolve(compiled.parameters, run.parameters, varied=request.space.names)
    issues += more
    issues += artifact_inputs.check_artifact_inputs(
        connection, compiled.artifact_inputs, run.artifact_inputs
    )
    refuse(f"the sweep cannot run entrypoint {compiled.name!r}", issues[:_MOST_ISSUES])
    compiler.store_plan(connection, compiled, now)
    row = {
        **shared,
        **dict.fromkeys(("next_trial", "started", "finished", "failed", "cancelled", "ended"), 0),
        "entrypoint": compiled.name,
        "entrypoint_snapshot": compiled.number,
        "snapshot_id": compiled.snapshot_id,
        "state": SweepState.STARTED.value,
        "cancel_requested": False,
        "size": space.size,
        "space": space.to_json(),
        "parameters": json.dumps(values),
        "plan_digest": compiled.plan_digest,
        "create_time": now,
    }
    statement = sa.insert(SWEEPS).values(row).returning(SWEEPS.c.id)
    sweep_id = int(connection.execute(statement).scalar_one())
    notify(connection, WorkArrived())
    return sweep_id


def fit_space(parameters: Parameters, space: Space) -> tuple[Space, list[Issue]]:
    """The space with every value as its parameter wants it, and everything wrong with it."""
    issues = list(_check_shape(space))
    if isinstance(space, Grid):
        dimensions = tuple(
            Dimension(
                parameter=dimension.parameter,
                values=tuple(
                    _fit(parameters, dimension.parameter, value, f"value {index}", issues)
                    for index, value in enumerate(dimension.values)
                ),
            )
            for dimension in space.dimensions
        )
        return Grid(dimensions), issues
    points = tuple(
        {
            name: _fit(parameters, name, value, f"point {index}", issues)
            for name, value in point.items()
        }
        for index, point in enumerate(space.points)
    )
    return PointList(points), issues


def _fit(parameters: Parameters, name: str, value: Any, where: str, issues: list[Issue]) -> Any:
    if name not in parameters:
        # Said once, for the name and not for each value.
        return value
    try:
        return fit(parameters[name], value)
    except UnfitValueError as error:
        issues.append(issue("sweep.value", f"{where} of parameter {name!r}: {error}", name))
        return value


def _check_shape(space: Space) -> list[Issue]:
    found: list[Issue] = []
    if isinstance(space, Grid):
        names = space.names
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            text = f"parameter {name!r} has more than one dimension; put its values into one"
            found.append(issue("sweep.dimension.twice", text, name))
        for dimension in space.dimensions:
            if not dimension.values:
                text = f"the dimension of parameter {dimension.parameter!r} has no values"
                found.append(issue("sweep.dimension.empty", text, dimension.parameter))
        empty = not space.dimensions
    else:
        empty = not space.points
        found += _check_points(space)
    if empty:
        text = "the space is empty; give at least one dimension or point"
        found.append(Issue(severity="error", code="sweep.empty", message=text, path="$.space"))
    if space.size > MAX_SIZE:
        text = f"the space has {space.size} points, but a sweep may have at most {MAX_SIZE}"
        found.append(Issue(severity="error", code="sweep.too_large", message=text, path="$.space"))
    return found


def _check_points(space: PointList) -> list[Issue]:
    """Every point must have the same parameters; the first that has not is enough to say."""
    names = space.names
    for index, point in enumerate(space.points):
        missing = [name for name in names if name not in point]
        if missing:
            text = f"point {index} does not have parameter {missing[0]!r}, which other points have"
            return [issue("sweep.point.incomplete", text, missing[0])]
    return []
