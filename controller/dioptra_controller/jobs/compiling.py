"""From an entrypoint snapshot to what its jobs share: the plan, and what they must be given.

Snapshots never change, so each is validated and compiled once for each planning mode, not
once for each job.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dioptra_controller.database.job_tables import PLANS
from dioptra_controller.database.registry_tables import ENTRYPOINT_SNAPSHOTS, ENTRYPOINTS
from dioptra_controller.database.statements import insert_if_new
from dioptra_controller.jobs.parameters import Parameters, read_parameters
from dioptra_controller.jobs.recent import Recent
from dioptra_controller.registry import entrypoints
from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language import validate
from dioptra_ray.planning import PlanOptions, compile_plan
from dioptra_ray.planning.plan import Mode, PluginBundle

TypedNames = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledEntrypoint:
    """What all jobs of an entrypoint snapshot share.

    Attributes:
        name: Of the entrypoint.
        number: Of the snapshot.
        snapshot_id: Of the snapshot.
        parameters: What a job must be given.
        artifact_inputs: (output, type) of each artifact parameter.
        plan_digest: Its plan.
        plan_json: Likewise.
    """

    name: str
    number: int
    snapshot_id: int
    parameters: Parameters
    artifact_inputs: Mapping[str, TypedNames]
    plan_digest: str
    plan_json: str


class Compiler:
    """Compiles entrypoints and remembers the results; safe to share between threads.

    Attributes:
        known: Ids of experiments and queues that exist, by kind and name.
    """

    def __init__(self) -> None:
        self._recent: Recent[tuple[int, Mode], CompiledEntrypoint] = Recent(256)
        self._stored: set[str] = set()
        self.known: Recent[tuple[str, str], int] = Recent(10_000)

    def compile(
        self, connection: sa.Connection, name: str, number: int, mode: Mode
    ) -> CompiledEntrypoint:
        """Compile a snapshot; number 0 is the newest.

        Raises:
            NotFoundError: There is no such entrypoint or snapshot.
            InvalidDescriptionError: It is not valid (any more); lists every problem.
        """
        snapshot_id = _find_snapshot(connection, name, number)
        if snapshot_id is None:
            # Raises, and says what there is instead.
            snapshot_id = entrypoints.load_snapshot(connection, name, number).id
        return self._recent.get(
            (snapshot_id, mode),
            lambda: _compile(entrypoints.load_by_id(connection, snapshot_id), mode),
        )

    def store_plan(
        self, connection: sa.Connection, compiled: CompiledEntrypoint, now: dt.datetime
    ) -> None:
        """Store the plan, unless it is there."""
        digest = compiled.plan_digest
        if digest in self._stored:
            return
        if connection.execute(_KNOWN_PLAN, {"digest": digest}).one_or_none():
            # An earlier transaction has stored it, so nothing can take it back.
            self._stored.add(digest)
            return
        row = {"digest": digest, "plan_json": compiled.plan_json, "create_time": now}
        insert_if_new(connection, PLANS, row, unique=["digest"])


_KNOWN_PLAN = sa.select(PLANS.c.digest).where(PLANS.c.digest == sa.bindparam("digest"))
_NEWEST = (
    sa.select(ENTRYPOINT_SNAPSHOTS.c.id)
    .join(ENTRYPOINTS, ENTRYPOINTS.c.id == ENTRYPOINT_SNAPSHOTS.c.entrypoint_id)
    .where(ENTRYPOINTS.c.name == sa.bindparam("entrypoint"))
    .order_by(ENTRYPOINT_SNAPSHOTS.c.number.desc())
    .limit(1)
)
_NUMBERED = _NEWEST.where(ENTRYPOINT_SNAPSHOTS.c.number == sa.bindparam("number"))


def _find_snapshot(connection: sa.Connection, name: str, number: int) -> int | None:
    query = _NUMBERED if number else _NEWEST
    values = {"entrypoint": name, "number": number} if number else {"entrypoint": name}
    return connection.execute(query, values).scalar_one_or_none()


def _compile(snapshot: entrypoints.EntrypointSnapshot, mode: Mode) -> CompiledEntrypoint:
    issues = [
        issue
        for issue in validate(snapshot.description, snapshot.argument_schemas)
        if issue.severity == "error"
    ]
    if issues:
        raise InvalidDescriptionError(
            f"entrypoint {snapshot.name!r} (snapshot {snapshot.number}) is not valid; import it "
            "again once it is repaired",
            issues,
            entrypoint=snapshot.name,
        )
    bundles = [PluginBundle(name=pin.name, digest=pin.digest) for pin in snapshot.plugins]
    options = PlanOptions(
        plugins=tuple(sorted(bundles, key=lambda bundle: bundle.name)),
        artifact_tasks=snapshot.artifact_tasks,
        declarations=snapshot.declarations,
        mode=mode,
    )
    plan = compile_plan(snapshot.description, options)
    inputs: Mapping[str, Any] = snapshot.description.get("artifact_inputs") or {}
    return CompiledEntrypoint(
        name=snapshot.name,
        number=snapshot.number,
        snapshot_id=snapshot.id,
        parameters=read_parameters(snapshot.description, snapshot.parameter_kinds),
        artifact_inputs={name: _typed_names(entry) for name, entry in inputs.items()},
        plan_digest=plan.digest,
        plan_json=plan.to_json(),
    )


def _typed_names(entry: Any) -> TypedNames:
    outputs = [entry] if isinstance(entry, Mapping) else entry
    return tuple((name, kind) for output in outputs for name, kind in output.items())
