"""Where each part of a composed description was written: YAML, registration, or source."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dioptra_ray.language.issues import Issue
from dioptra_ray.language.paths import from_json_path
from dioptra_ray.language.positions import PositionedMapping, Spot, position_of
from dioptra_ray.project.model import Place
from dioptra_ray.project.usage import artifact_key


@dataclass(slots=True)
class Origins:
    """The places of a composed description's parts.

    Attributes:
        loaded: The YAML file's content, with positions.
        file: That file's name.
        named: Places of what was declared elsewhere, by section and name.
    """

    loaded: Mapping[str, Any]
    file: str
    named: dict[tuple[str, str], Place] = field(default_factory=dict)

    def in_file(self, *path: Any) -> Place:
        """The place of a key in the YAML file."""
        line, column = position_of(self.loaded, path, key=True) or (None, None)
        return Place(file=self.file, line=line, column=column)

    def positioned(self, description: Mapping[str, Any]) -> PositionedMapping:
        """The description with the positions of its parts, whichever file they are in."""
        return PositionedMapping(description, locate=self._locate, file=self.file)

    def _locate(self) -> Spot:
        root = Spot((1, 1))
        if isinstance(self.loaded, PositionedMapping) and self.loaded.spot:
            root.parts.update(self.loaded.spot.parts)
            if (key := artifact_key(self.loaded)) in root.parts:
                root.parts["artifact_outputs"] = root.parts[key]
        sections = {section: Spot(root.position) for section, _ in self.named}
        for (section, name), place in self.named.items():
            position = (place.line or 1, place.column or 1)
            sections[section].parts[name] = (position, Spot(position))
        root.parts.update({name: (spot.position, spot) for name, spot in sections.items()})
        return root

    def place(self, issue: Issue) -> Issue:
        """An issue of the positioned description, with the file that its part is in."""
        path = from_json_path(issue.path)
        known = self.named.get((path[0], path[1])) if len(path) > 1 else None
        if known is None:
            return issue
        line, column = (issue.line, issue.column) if known.line else (None, None)
        return replace(issue, file=known.file, line=line, column=column)
