"""Showing issues: where, what, and the line of the text that it is about."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from dioptra_ray.language.issues import Issue
from dioptra_ray.language.render import issues_to_json, issues_to_text

_COLOURS = {"error": "red", "warning": "yellow"}


def show_issues(issues: Iterable[Issue], *, err: bool = False) -> None:
    """Print issues for people; the lines of files that can be read are shown."""
    texts: dict[str, str | None] = {}
    for issue in issues:
        name = issue.file or ""
        if name not in texts:
            texts[name] = _read(name)
        word = click.style(issue.severity, fg=_COLOURS[issue.severity], bold=True)
        text = issues_to_text([issue], texts[name])
        click.echo(text.replace(f": {issue.severity}: ", f": {word}: ", 1), err=err)


def describe_issues(issues: Iterable[Issue], file: Path) -> dict[str, Any]:
    """Issues as a script reads them; a file is named only where it is not `file`."""
    listed = list(issues)
    described = issues_to_json(listed)
    for issue, data in zip(listed, described["issues"], strict=True):
        if issue.file and Path(issue.file) != file:
            data["file"] = issue.file
    return described


def _read(name: str) -> str | None:
    try:
        return Path(name).read_text(encoding="utf-8", errors="replace") if name else None
    except OSError:
        return None
