"""One problem in a description, placed in the text that the user wrote."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One problem.

    Attributes:
        severity: "error" (cannot run) or "warning".
        code: Stable dotted name of the check, such as "step.cycle".
        message: One plain sentence: what is wrong and, where it helps, what to do.
        path: JSON path into the description, such as "$.graph.train.model".
        line: Line in the text, from 1; None when unknown.
        column: Column in the line, from 1; None when unknown.
        file: Name of the text's file; None when it has none.
    """

    severity: Severity
    code: str
    message: str
    path: str = "$"
    line: int | None = None
    column: int | None = None
    file: str | None = None
