"""Issues on the wire: details of INVALID_ARGUMENT statuses."""

from collections.abc import Iterable
from typing import Final

from dioptra_ray.api.types.v1 import issue_pb2
from dioptra_ray.language.issues import Issue

# Trailing metadata has to carry them all, so a pathological text may not make it grow for ever.
MAX_BYTES: Final = 512 * 1024

_SEVERITIES: Final = {
    "error": issue_pb2.SEVERITY_ERROR,
    "warning": issue_pb2.SEVERITY_WARNING,
}


def clean(text: str) -> str:
    """Replace what protobuf refuses in a string: surrogates, which user text may hold."""
    return text.encode("utf-8", "replace").decode()


def write_issue(issue: Issue) -> issue_pb2.Issue:
    """Write one issue."""
    return issue_pb2.Issue(
        severity=_SEVERITIES[issue.severity],
        code=issue.code,
        message=clean(issue.message),
        path=clean(issue.path),
        file=clean(issue.file or ""),
        line=issue.line or 0,
        column=issue.column or 0,
    )


def read_issue(message: issue_pb2.Issue) -> Issue:
    """Read one issue; what is not known to be a warning is an error."""
    return Issue(
        severity="warning" if message.severity == issue_pb2.SEVERITY_WARNING else "error",
        code=message.code,
        message=message.message,
        path=message.path,
        file=message.file or None,
        line=message.line or None,
        column=message.column or None,
    )


def write_issues(issues: Iterable[Issue]) -> issue_pb2.IssueList:
    """Write issues, as many as a status may carry; a last one says how many are left out."""
    written: list[issue_pb2.Issue] = []
    left_out = 0
    size = 0
    for issue in issues:
        message = write_issue(issue)
        size += message.ByteSize() + 8
        if size > MAX_BYTES:
            left_out += 1
        else:
            written.append(message)
    if left_out:
        text = f"{left_out} more issues are not shown; fix these first"
        written.append(write_issue(Issue(severity="error", code="issues.truncated", message=text)))
    return issue_pb2.IssueList(issues=written)


def read_issues(message: issue_pb2.IssueList) -> tuple[Issue, ...]:
    """Read issues."""
    return tuple(map(read_issue, message.issues))
