"""What the controller wants to know of a plan: its steps, and where its artifacts come from.

Plans never change and are shared by many jobs, so an outline is made once and kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from dioptra_controller.database.job_tables import PLANS
from dioptra_controller.jobs.recent import Recent
from dioptra_controller.registry import plugins
from dioptra_ray.errors import NotFoundError
from dioptra_ray.language.graph import links, parse_reference, read_invocation
from dioptra_ray.planning.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutline:
    """A step, the task that it calls, the stage that it runs in, and what it follows."""

    name: str
    task: str
    stage: str
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactOutline:
    """An artifact output: the step output that it holds, and who writes it.

    Attributes:
        step: The step; empty when the contents are no step's output.
        output: The output of that step; empty likewise, or when the step has only one.
        task: Id of the artifact task.
        plugin_digest: The bundle with that task; empty when no plugin has it.
        outputs: (name, type) of what the task gives when it reads the artifact, in order.
    """

    step: str
    output: str
    task: str
    plugin_digest: str
    outputs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The steps of a plan in the order of execution, and its artifact outputs by name."""

    steps: tuple[StepOutline, ...]
    artifacts: Mapping[str, ArtifactOutline]


def load_plan(connection: sa.Connection, digest: str) -> str:
    """The JSON of a plan.

    Raises:
        NotFoundError: There is no such plan.
    """
    query = sa.select(PLANS.c.plan_json).where(PLANS.c.digest == digest)
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        raise NotFoundError(f"there is no plan {digest!r}", plan=digest)
    return str(found)


class Outlines:
    """Outlines by the digest of the plan; safe to share between threads."""

    def __init__(self) -> None:
        self._recent: Recent[str, Outline] = Recent(512)

    def get(self, connection: sa.Connection, digest: str) -> Outline:
        """The outline of a stored plan."""
        return self._recent.get(digest, lambda: _load(connection, digest))


def make_outline(plan: Plan) -> Outline:
    """Outline a plan, as far as the plan itself says."""
    graph = plan.description["graph"]
    stages = {step: stage.name for stage in plan.stages for step in stage.steps}
    follows = links(plan.description)
    steps = tuple(
        StepOutline(
            name=step,
            task=read_invocation(graph[step]).task,
            stage=stages.get(step, ""),
            after=tuple(sorted({*follows[step].data, *follows[step].order_only})),
        )
        for step in plan.order
    )
    outputs: Mapping[str, Any] = plan.description.get("artifact_outputs") or {}
    return Outline(
        steps=steps, artifacts={name: _outline(plan, entry) for name, entry in outputs.items()}
    )


def _load(connection: sa.Connection, digest: str) -> Outline:
    outline = make_outline(Plan.from_json(load_plan(connection, digest)))
    artifacts = {
        name: replace(artifact, outputs=_outputs(connection, artifact))
        for name, artifact in outline.artifacts.items()
    }
    return replace(outline, artifacts=artifacts)


def _outputs(connection: sa.Connection, artifact: ArtifactOutline) -> tuple[tuple[str, str], ...]:
    snapshot = plugins.find_by_digest(connection, artifact.plugin_digest)
    tasks = () if snapshot is None else snapshot.artifact_tasks
    return tuple(
        (output.name, output.type)
        for task in tasks
        if task.id == artifact.task
        for output in task.outputs
    )


def _outline(plan: Plan, entry: Mapping[str, Any]) -> ArtifactOutline:
    reference = parse_reference(entry["contents"])
    from_step = reference is not None and reference.name in plan.description["graph"]
    task = dict(plan.artifact_tasks).get(entry["task"]["name"], "")
    digests = {plugin.name: plugin.digest for plugin in plan.plugins}
    return ArtifactOutline(
        step=reference.name if reference and from_step else "",
        output=(reference.output or "") if reference and from_step else "",
        task=task,
        plugin_digest=digests.get(task.partition(".")[0], ""),
    )
