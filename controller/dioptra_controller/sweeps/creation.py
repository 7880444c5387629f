"""Creating a sweep: each value of the space is checked once, never each combination.

Only combinations of alternatives are looked at one by one, since each is planned differently.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dioptra_controller.access import auditing
from dioptra_controller.database.engine import notify
from dioptra_controller.database.job_tables import SWEEPS
from dioptra_controller.jobs import artifact_inputs
from dioptra_controller.jobs.choices import Swaps, check_choices, misfit
from dioptra_controller.jobs.compiling import CompiledPlan, Compiler
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
from dioptra_controller.sweeps.variants import (
    MAX_VARIANTS,
    combinations,
    count_combinations,
    varied_swaps,
    write_variants,
)
from dioptra_ray.errors import ExhaustedError, InvalidRequestError
from dioptra_ray.language.alternatives import is_swap_key
from dioptra_ray.language.issues import Issue

MAX_SIZE = 10_000_000
# A refusal has to stay readable.
_MOST_ISSUES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest:
    """What to run for every point of a space; `run` has what does not vary."""

    run: RunRequest
    space: Space


def create_sweep(
    connection: sa.Connection, request: SweepRequest, *, compiler: Compiler, now: dt.datetime
) -> int:
    """Create a sweep and return its id; its trials are made as they are needed.

    Raises:
        InvalidDescriptionError: Space, parameters, swaps, artifacts or graph are wrong; lists
            all.
        NotFoundError: No such entrypoint, queue, experiment or artifact.
        InvalidRequestError: The timeout is no time, or the description too long.
    """
    run = request.run
    shared, environment = check_shared(connection, run)
    checked = compiler.check(connection, run.entrypoint, run.entrypoint_snapshot)
    space, issues = fit_space(checked.parameters, checked.swaps, request.space)
    varied = [name for name in space.names if not is_swap_key(name)]
    values, more = resolve(checked.parameters, run.parameters, varied=varied)
    issues += more
    issues += check_choices(checked.swaps, run.swaps, varied=varied_swaps(space))
    issues += artifact_inputs.check_artifact_inputs(
        connection, checked.artifact_inputs, run.artifact_inputs
    )
    message = f"the sweep cannot run entrypoint {checked.snapshot.name!r}"
    refuse(message, issues[:_MOST_ISSUES])

    def compile_for(choices: Mapping[str, str]) -> CompiledPlan:
        return compiler.compile(checked, "throughput", choices, environment)

    plans, issues = _compile(compile_for, run.swaps, space)
    refuse(message, issues[:_MOST_ISSUES])
    digests = [(choices, compiler.store_plan(connection, plan, now)) for choices, plan in plans]
    row = {
        **shared,
        **dict.fromkeys(("next_trial", "started", "finished", "failed", "cancelled", "ended"), 0),
        **checked.columns,
        "state": SweepState.STARTED.value,
        "cancel_requested": False,
        "size": space.size,
        "space": space.to_json(),
        "parameters": json.dumps(values),
        "swaps": json.dumps(dict(run.swaps)),
        "plan_digest": digests[0][1],
        "variants": write_variants(digests) if varied_swaps(space) else None,
        "create_time": now,
    }
    statement = sa.insert(SWEEPS).values(row).returning(SWEEPS.c.id)
    sweep_id = int(connection.execute(statement).scalar_one())
    auditing.about(f"sweep {sweep_id} of entrypoint {row['entrypoint']}")
    notify(connection, WorkArrived())
    return sweep_id


def fit_space(parameters: Parameters, swaps: Swaps, space: Space) -> tuple[Space, list[Issue]]:
    """The space with every value as its parameter wants it, and everything wrong with it."""
    issues = list(_check_shape(space))

    def fit_value(name: str, value: Any, where: str) -> Any:
        if is_swap_key(name):
            return _fit_alias(swaps, name, value, where, issues)
        return _fit(parameters, name, value, where, issues)

    if isinstance(space, Grid):
        dimensions = tuple(
            Dimension(
                parameter=dimension.parameter,
                values=tuple(
                    fit_value(dimension.parameter, value, f"value {index}")
                    for index, value in enumerate(dimension.values)
                ),
            )
            for dimension in space.dimensions
        )
        return Grid(dimensions), issues
    points = tuple(
        {name: fit_value(name, value, f"point {index}") for name, value in point.items()}
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


def _fit_alias(swaps: Swaps, name: str, value: Any, where: str, issues: list[Issue]) -> Any:
    swap = name[1:]
    if swap not in swaps:
        # Said once, likewise.
        return value
    problem = misfit(swaps, swap, value)
    if problem is not None:
        issues.append(
            issue("swap.unknown_choice", f"{where} of {name!r}: {problem}", swap, "swaps")
        )
    return value


def _compile(
    compile_for: Callable[[Mapping[str, str]], CompiledPlan], fixed: Mapping[str, str], space: Space
) -> tuple[list[tuple[Mapping[str, str], CompiledPlan]], list[Issue]]:
    """The plan of each combination of alternatives, and everything that stops one."""
    count = count_combinations(space)
    if count > MAX_VARIANTS:
        text = (
            f"the space has {count} combinations of alternatives, but a sweep may have at most "
            f"{MAX_VARIANTS}; make several sweeps of it"
        )
        return [], [
            Issue(severity="error", code="sweep.too_many_variants", message=text, path="$.space")
        ]
    plans: list[tuple[Mapping[str, str], CompiledPlan]] = []
    issues: list[Issue] = []
    for varied in combinations(space):
        choices = {**fixed, **varied}
        try:
            plans.append((choices, compile_for(choices)))
        except (InvalidRequestError, ExhaustedError) as error:
            if not varied:
                raise
            chosen = ", ".join(f"{name}={alias}" for name, alias in varied.items())
            text = f"with {chosen}: {error.message}"
            issues.append(
                Issue(severity="error", code="sweep.variant", message=text, path="$.space")
            )
    return plans, issues


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
