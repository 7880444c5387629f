"""From an entrypoint snapshot to what its jobs share: the plan, and what they must be given.

Snapshots never change, so each is validated once, and compiled once for each environment of a
queue, planning mode and choice of its alternatives, not once for each job.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dioptra_controller.access.checks import is_visible
from dioptra_controller.database.job_tables import PLANS
from dioptra_controller.database.prepared import Prepared
from dioptra_controller.database.registry_tables import ENTRYPOINT_SNAPSHOTS, ENTRYPOINTS
from dioptra_controller.database.statements import insert_if_new
from dioptra_controller.jobs.parameters import Parameters, read_parameters
from dioptra_controller.jobs.recent import Recent
from dioptra_controller.registry import entrypoints
from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language import validate
from dioptra_ray.language.swaps import renamed_tasks, render, swap_choices
from dioptra_ray.planning import PlanOptions, compile_plan
from dioptra_ray.planning.environments import Environment
from dioptra_ray.planning.plan import Mode, PluginBundle

TypedNames = tuple[tuple[str, str], ...]
_Key = tuple[int, Mode, tuple[tuple[str, str], ...], Environment]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPlan:
    """A compiled entrypoint, as it is stored."""

    digest: str
    json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedEntrypoint:
    """What all jobs of an entrypoint snapshot share.

    Attributes:
        snapshot: The snapshot, which is valid.
        parameters: What a job must be given.
        artifact_inputs: (output, type) of each artifact parameter.
        swaps: What may be chosen: the aliases of each swap.
    """

    snapshot: entrypoints.EntrypointSnapshot
    parameters: Parameters
    artifact_inputs: Mapping[str, TypedNames]
    swaps: Mapping[str, tuple[str, ...]]

    @property
    def columns(self) -> dict[str, Any]:
        """How a job or a sweep names it."""
        return {
            "entrypoint": self.snapshot.name,
            "entrypoint_snapshot": self.snapshot.number,
            "snapshot_id": self.snapshot.id,
        }


class Compiler:
    """Compiles entrypoints and remembers the results; safe to share between threads."""

    def __init__(self) -> None:
        self._checked: Recent[int, CheckedEntrypoint] = Recent(256)
        self._plans: Recent[_Key, CompiledPlan] = Recent(256)
        self._stored: set[str] = set()

    def check(self, connection: sa.Connection, name: str, number: int) -> CheckedEntrypoint:
        """Check a snapshot; number 0 is the newest.

        Raises:
            NotFoundError: There is no such entrypoint or snapshot.
            InvalidDescriptionError: It is not valid (any more); lists every problem.
        """
        snapshot_id = _find_snapshot(connection, name, number)
        if snapshot_id is None:
            # Raises, and says what there is instead.
            snapshot_id = entrypoints.load_snapshot(connection, name, number).id
        return self._checked.get(
            snapshot_id, lambda: _check(entrypoints.load_by_id(connection, snapshot_id))
        )

    def compile(
        self,
        checked: CheckedEntrypoint,
        mode: Mode,
        choices: Mapping[str, str],
        environment: Environment,
    ) -> CompiledPlan:
        """Compile a checked snapshot for a queue, with a choice for each of its swaps.

        Raises:
            InvalidDescriptionError: The choices are not those that it needs.
            InvalidRequestError, ExhaustedError: These alternatives cannot be planned together.
        """
        key = (checked.snapshot.id, mode, tuple(sorted(choices.items())), environment)
        return self._plans.get(key, lambda: _compile(checked.snapshot, mode, choices, environment))

    def store_plan(self, connection: sa.Connection, plan: CompiledPlan, now: dt.datetime) -> str:
        """Store a plan, unless it is there, and return its digest."""
        digest = plan.digest
        if digest in self._stored:
            return digest
        if connection.execute(_KNOWN_PLAN, {"digest": digest}).one_or_none():
            # An earlier transaction has stored it, so nothing can take it back.
            self._stored.add(digest)
            return digest
        row = {"digest": digest, "plan_json": plan.json, "create_time": now}
        insert_if_new(connection, PLANS, row, unique=["digest"])
        return digest


_KNOWN_PLAN = sa.select(PLANS.c.digest).where(PLANS.c.digest == sa.bindparam("digest"))
_FIND = (
    sa.select(ENTRYPOINT_SNAPSHOTS.c.id, ENTRYPOINTS.c.group_name)
    .join(ENTRYPOINTS, ENTRYPOINTS.c.id == ENTRYPOINT_SNAPSHOTS.c.entrypoint_id)
    .where(ENTRYPOINTS.c.name == sa.bindparam("entrypoint"))
    .order_by(ENTRYPOINT_SNAPSHOTS.c.number.desc())
    .limit(1)
)
_NEWEST = Prepared(_FIND)
_NUMBERED = Prepared(_FIND.where(ENTRYPOINT_SNAPSHOTS.c.number == sa.bindparam("number")))


def _find_snapshot(connection: sa.Connection, name: str, number: int) -> int | None:
    query = _NUMBERED if number else _NEWEST
    values = {"entrypoint": name, "number": number} if number else {"entrypoint": name}
    found = query.first(connection, values)
    return int(found.id) if found is not None and is_visible(found.group_name) else None


def _check(snapshot: entrypoints.EntrypointSnapshot) -> CheckedEntrypoint:
    description = snapshot.description
    found = validate(description, snapshot.argument_schemas, thorough=True)
    issues = [issue for issue in found if issue.severity == "error"]
    if issues:
        raise InvalidDescriptionError(
            f"entrypoint {snapshot.name!r} (snapshot {snapshot.number}) is not valid; import it "
            "again once it is repaired",
            issues,
            entrypoint=snapshot.name,
        )
    inputs: Mapping[str, Any] = description.get("artifact_inputs") or {}
    return CheckedEntrypoint(
        snapshot=snapshot,
        parameters=read_parameters(description, snapshot.parameter_kinds),
        artifact_inputs={name: _typed_names(entry) for name, entry in inputs.items()},
        swaps=swap_choices(description),
    )


def _compile(
    snapshot: entrypoints.EntrypointSnapshot,
    mode: Mode,
    choices: Mapping[str, str],
    environment: Environment,
) -> CompiledPlan:
    description = render(snapshot.description, choices)
    bundles = [PluginBundle(name=pin.name, digest=pin.digest) for pin in snapshot.plugins]
    declared = dict(snapshot.declarations)
    for copy, task in renamed_tasks(snapshot.description, choices).items():
        if task in declared:
            declared[copy] = declared[task]
    options = PlanOptions(
        plugins=tuple(sorted(bundles, key=lambda bundle: bundle.name)),
        artifact_tasks=snapshot.artifact_tasks,
        declarations=declared,
        defaults=environment.defaults,
        mode=mode,
        environment=environment.stages,
    )
    plan = compile_plan(description, options)
    return CompiledPlan(digest=plan.digest, json=plan.to_json())


def _typed_names(entry: Any) -> TypedNames:
    outputs = [entry] if isinstance(entry, Mapping) else entry
    return tuple((name, kind) for output in outputs for name, kind in output.items())
