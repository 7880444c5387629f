"""The values of a job's parameters."""

import logging
from collections.abc import Mapping
from typing import Any

from dioptra_ray.engine.errors import MissingParametersError

_LOG = logging.getLogger(__name__)


def resolve_parameters(
    description: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Each declared parameter's value: the given one (None counts), else the default.

    Defaults are copied, since steps may change them and the description outlives the job.
    Given names that are not declared are dropped with a warning.

    Raises:
        MissingParametersError: Some have neither.
    """
    given = given or {}
    declared = description.get("parameters") or {}
    values: dict[str, Any] = {}
    missing: list[str] = []
    for name, definition in declared.items():
        if name in given:
            values[name] = given[name]
        elif not isinstance(definition, Mapping):
            values[name] = _copy(definition)
        elif "default" in definition:
            values[name] = _copy(definition["default"])
        else:
            missing.append(name)
    if unused := sorted(str(name) for name in given if name not in declared):
        _LOG.warning(
            "Parameters that the entrypoint does not declare are ignored: %s", ", ".join(unused)
        )
    if missing:
        raise MissingParametersError(missing)
    return values


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
