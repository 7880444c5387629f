"""The parameter types that an entrypoint needs, and no others.

Dioptra puts every latest type of the group into every description, so that an old job
changes its meaning when somebody edits a type. A description that holds exactly the types
that it uses is pinned.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dioptra_ray.plugins.annotations import BUILTIN_TYPES
from dioptra_ray.project.model import FunctionTask, ProjectEntrypoint, ProjectType


def used_types(
    tasks: Iterable[FunctionTask],
    entrypoint: ProjectEntrypoint,
    declared: Mapping[str, ProjectType],
    made: Mapping[str, Any],
) -> dict[str, Any]:
    """Definitions by name, sorted: what tasks and parameters name, and what those refer to.

    Declared types come first, then those of type hints, then those `made` for parameters.
    """
    known: dict[str, Any] = dict(made)
    pending = [output.type for one in entrypoint.artifact_parameters for output in one.outputs]
    pending.extend(made)
    for task in tasks:
        known.update(task.types)
        pending.extend(given.type for given in task.inputs)
        pending.extend(output.type for output in task.outputs)
    known.update({name: one.structure for name, one in declared.items()})
    used: dict[str, Any] = {}
    while pending:
        name = pending.pop()
        if name not in used and name not in BUILTIN_TYPES and name in known:
            used[name] = known[name]
            pending.extend(_mentioned(known[name]))
    return dict(sorted(used.items()))


def _mentioned(definition: Any) -> Iterator[str]:
    """Type names in a definition; names of properties may be among them, which is harmless."""
    match definition:
        case str():
            yield definition
        case Mapping():
            for part in definition.values():
                yield from _mentioned(part)
        case list():
            for part in definition:
                yield from _mentioned(part)
