"""From a finding to an issue: its place is looked up in the text."""

from typing import Any

from dioptra_ray.language.issues import Issue
from dioptra_ray.language.paths import to_json_path
from dioptra_ray.language.positions import PositionedMapping, position_of
from dioptra_ray.language.validation.findings import Finding


def to_issue(finding: Finding, description: Any) -> Issue:
    """The issue that a finding about `description` is."""
    position = None
    file = None
    if isinstance(description, PositionedMapping):
        position = position_of(description, finding.path, key=finding.at_key)
        file = description.file
    line, column = position or (None, None)
    return Issue(
        severity=finding.severity,
        code=finding.code,
        message=finding.message,
        path=to_json_path(finding.path),
        line=line,
        column=column,
        file=file,
    )
