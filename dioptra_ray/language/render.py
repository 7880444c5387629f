"""Issues for people and for scripts."""

import re
from collections.abc import Iterable
from typing import Any

from dioptra_ray.language.issues import Issue

# The line breaks that YAML counts; str.splitlines knows more.
_LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_MAX_WIDTH = 100


def issues_to_text(issues: Iterable[Issue], source_text: str | None = None) -> str:
    """Each issue with its place, and the offending line with a caret where the text is known.

    train.yaml:7:5: error: Step "train" calls "trian", which is no task. [step.unknown_task]
        7 |     trian: [$data]
          |     ^
    """
    lines = [] if source_text is None else _LINE_BREAK.split(source_text)
    return "\n".join(_to_text(issue, lines) for issue in issues)


def issues_to_json(issues: Iterable[Issue]) -> dict[str, Any]:
    """What `validate --format json` prints, as a value for `json.dumps`."""
    listed = list(issues)
    return {
        "valid": not any(issue.severity == "error" for issue in listed),
        "issues": [
            {
                "severity": issue.severity,
                "code": issue.code,
                "message": issue.message,
                "path": issue.path,
                "line": issue.line,
                "column": issue.column,
            }
            for issue in listed
        ],
    }


def _to_text(issue: Issue, lines: list[str]) -> str:
    place = issue.path if issue.line is None else f"{issue.line}:{issue.column}"
    where = f"{issue.file}:{place}" if issue.file is not None else place
    head = f"{where}: {issue.severity}: {issue.message} [{issue.code}]"
    if issue.line is None or not 1 <= issue.line <= len(lines):
        return head
    return f"{head}\n{_excerpt(lines[issue.line - 1], issue.line, issue.column or 1)}"


def _excerpt(line: str, number: int, column: int) -> str:
    """The line, cut around the column when it is long, and a caret below it."""
    start = max(0, column - 1 - _MAX_WIDTH // 2) if len(line) > _MAX_WIDTH else 0
    shown = line[start : start + _MAX_WIDTH]
    before = shown[: column - 1 - start]
    # Tabs are kept, so that the caret stands where the terminal puts the character.
    gap = "".join("\t" if character == "\t" else " " for character in before)
    return f"{number:5} | {shown}\n{'':5} | {gap}^"
