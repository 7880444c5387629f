"""Artifact parameters of a job: whether the given artifacts fit what is declared."""

from collections.abc import Mapping

import sqlalchemy as sa

from dioptra_controller.artifacts import catalog
from dioptra_controller.jobs.compiling import TypedNames
from dioptra_controller.jobs.parameters import issue
from dioptra_ray.errors import NotFoundError
from dioptra_ray.language.issues import Issue

_SECTION = "artifact_inputs"
NOT_FOUND = "job.artifact.not_found"


def check_artifact_inputs(
    connection: sa.Connection, declared: Mapping[str, TypedNames], given: Mapping[str, int]
) -> list[Issue]:
    """Everything that is wrong with the artifacts that were given."""
    known = ", ".join(declared) or "none"
    issues = [
        issue(
            "job.artifact.unknown",
            f"the entrypoint has no artifact parameter {name!r}; it has: {known}",
            name,
            _SECTION,
        )
        for name in given
        if name not in declared
    ]
    for name, outputs in declared.items():
        if name in given:
            issues += _check(connection, name, outputs, given[name])
        else:
            text = f"artifact parameter {name!r} is not given: give the id of an artifact"
            issues.append(issue("job.artifact.missing", text, name, _SECTION))
    return issues


def _check(
    connection: sa.Connection, name: str, declared: TypedNames, artifact_id: int
) -> list[Issue]:
    try:
        artifact = catalog.get(connection, artifact_id)
        catalog.refuse_deleted(artifact)
    except NotFoundError as error:
        text = f"artifact parameter {name!r}: {error.message}"
        return [issue(NOT_FOUND, text, name, _SECTION)]
    lineage = artifact.lineage
    if not lineage.task:
        text = (
            f"artifact parameter {name!r}: artifact {artifact_id} was uploaded without an "
            "artifact task, so nothing can read it; upload it again with one"
        )
        return [issue("job.artifact.unreadable", text, name, _SECTION)]
    if [kind for _, kind in lineage.outputs] == ["any"]:
        # All that is known of a task whose outputs nobody declared.
        return []
    if len(lineage.outputs) != len(declared):
        text = (
            f"artifact parameter {name!r} has {len(declared)} outputs, but reading artifact "
            f"{artifact_id} with {lineage.task} gives {len(lineage.outputs)}"
        )
        return [issue("job.artifact.outputs", text, name, _SECTION)]
    # Names are not compared: workers use those that the entrypoint declares.
    return [
        issue(
            "job.artifact.type",
            f"artifact parameter {name!r}: output {output!r} is {kind}, but what reading "
            f"artifact {artifact_id} gives there is {found}",
            name,
            _SECTION,
        )
        for (output, kind), (_, found) in zip(declared, lineage.outputs, strict=True)
        if kind and found and kind not in (found, "any")
    ]
