"""Where each part of a composed description was written: YAML, registration, or source."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dioptra_ray.language.issues import Issue
from dioptra_ray.language.paths import from_json_path
from dioptra_ray.language.positions import position_of
from dioptra_ray.project.model import Place
from dioptra_ray.project.usage import artifact_key


@dataclass(slots=True)
class Origins:
    """Finds the place for a path into the composed description.

    Attributes:
        loaded: The YAML file's content, with positions.
        file: That file's name.
        named: Places of what was declared elsewhere, by section and name.
    """

    loaded: Mapping[str, Any]
    file: str
    named: dict[tuple[str, str], Place] = field(default_factory=dict)

    def in_file(self, *path: Any) -> Place:
        """A place in the YAML file."""
        line, column = position_of(self.loaded, path) or (None, None)
        return Place(file=self.file, line=line, column=column)

    def place(self, issue: Issue) -> Issue:
        """The issue, placed in the text that its part comes from."""
        path = from_json_path(issue.path)
        known = self.named.get((path[0], path[1])) if len(path) > 1 else None
        if known is None:
            if path and path[0] == "artifact_outputs":
                path = (artifact_key(self.loaded), *path[1:])
            known = self.in_file(*path)
        return replace(issue, file=known.file, line=known.line, column=known.column)
