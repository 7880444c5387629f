"""A sweep as a table."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dioptra_ray.errors import PreconditionError
from dioptra_ray.wire.sweeps import TrialResult

if TYPE_CHECKING:
    import pandas as pd

LEADING = ("trial", "job", "status")
TRAILING = ("duration", "error")


def to_columns(trials: Sequence[TrialResult], dimensions: Iterable[str]) -> dict[str, list[Any]]:
    """The table by column: what each trial was, its varied parameters, its metrics."""
    parameters = list(dict.fromkeys([*dimensions, *_names(trial.parameters for trial in trials)]))
    metrics = sorted(_names(trial.metrics for trial in trials))
    columns: dict[str, list[Any]] = {
        "trial": [trial.trial for trial in trials],
        "job": [trial.job for trial in trials],
        "status": [trial.status for trial in trials],
    }
    taken = {*LEADING, *TRAILING}
    for name in parameters:
        column = f"parameters.{name}" if name in taken else name
        columns[column] = [trial.parameters.get(name) for trial in trials]
    for name in metrics:
        column = f"metrics.{name}" if name in taken or name in columns else name
        columns[column] = [trial.metrics.get(name) for trial in trials]
    columns["duration"] = [trial.duration for trial in trials]
    columns["error"] = [trial.error for trial in trials]
    return columns


def to_frame(trials: Sequence[TrialResult], dimensions: Iterable[str]) -> "pd.DataFrame":
    """The table as a pandas DataFrame.

    Raises:
        PreconditionError: pandas is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - the client works without it
    except ImportError:
        raise PreconditionError(
            "results as a DataFrame take pandas: pip install 'dioptra-ray[results]'"
        ) from None
    frame = pd.DataFrame(to_columns(trials, dimensions))
    # A job's number is an integer also where some trials have no job yet.
    return frame.astype({"job": "Int64"})


def _names(mappings: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))
