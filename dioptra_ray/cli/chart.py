"""Line plots of sweeps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dioptra_ray.errors import PreconditionError


def draw_lines(
    columns: Mapping[str, Sequence[Any]], *, x: str, y: str, by: str | None, file: Path
) -> None:
    """Draw one column over another, with a line for each value of a third.

    Raises:
        PreconditionError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - plotting is optional
    except ImportError:
        raise PreconditionError(
            "plotting takes matplotlib: pip install 'dioptra-ray[results]'"
        ) from None
    # A figure without pyplot needs no display, and leaves nothing behind.
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for label, points in lines_of(columns, x=x, y=y, by=by).items():
        axes.plot(*zip(*points, strict=True), marker="o", label=label)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, alpha=0.3)
    if by is not None:
        axes.legend(title=by)
    figure.savefig(file, dpi=150)


def lines_of(
    columns: Mapping[str, Sequence[Any]], *, x: str, y: str, by: str | None
) -> dict[str, list[tuple[Any, Any]]]:
    """The points of each line, sorted along the axis; trials without the metric are left out."""
    groups = columns[by] if by is not None else [y] * len(columns[x])
    lines: dict[str, list[tuple[Any, Any]]] = {}
    for group, across, up in zip(groups, columns[x], columns[y], strict=True):
        if across is not None and up is not None:
            lines.setdefault(str(group), []).append((across, up))
    # Values of different types cannot be compared, but their texts can.
    return {label: sorted(points, key=_axis_order) for label, points in lines.items()}


def _axis_order(point: tuple[Any, Any]) -> tuple[bool, float, str]:
    across = point[0]
    is_number = isinstance(across, int | float)
    return (not is_number, float(across) if is_number else 0.0, str(across))
