"""Parameter types as a project declares them, checked whether anything uses them or not."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from dioptra_ray.language import validate
from dioptra_ray.language.issues import Issue
from dioptra_ray.language.paths import from_json_path
from dioptra_ray.project.model import ProjectType

# The least that a description needs besides types.
_REST: dict[str, Any] = {"tasks": {"any": {"plugin": "a.b"}}, "graph": {"any": {"any": []}}}


def check_types(types: Iterable[ProjectType]) -> Iterator[Issue]:
    """What is wrong with definitions, each placed where its type is declared."""
    declared = {one.name: one for one in types}
    definitions = {name: one.structure for name, one in declared.items()}
    for issue in validate({**_REST, "types": definitions}):
        path = from_json_path(issue.path)
        known = declared.get(path[1]) if len(path) > 1 and path[0] == "types" else None
        if known is not None:
            place = known.place
            yield replace(issue, file=place.file, line=place.line, column=place.column)
