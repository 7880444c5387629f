"""Parameters of a job: what an entrypoint declares, and whether what was given fits.

Texts are coerced as Dioptra does; native values must have the declared type. All problems
are found at once.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from dioptra_ray.language.issues import Issue
from dioptra_ray.language.types import Type, build_types, infer, is_compatible, parse_type
from dioptra_ray.plugins.coerce import coerce
from dioptra_ray.wire.values import TextValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an entrypoint.

    Attributes:
        name: Its name.
        kind: How a text becomes a value of it.
        type: What a value must be; None for anything.
        type_name: The type for people.
        has_default: Whether a job may leave it out.
        default: What it is then.
    """

    name: str
    kind: str
    type: Type | None
    type_name: str
    has_default: bool
    default: Any = None


Parameters = Mapping[str, Parameter]


class UnfitValueError(ValueError):
    """A value does not fit its parameter; the text says why."""


def read_parameters(description: Mapping[str, Any], kinds: Mapping[str, str]) -> Parameters:
    """The parameters of a valid description."""
    types = build_types(description.get("types") or {})
    declared: Mapping[str, Any] = description.get("parameters") or {}
    return {
        name: _read(name, entry, types, kinds.get(name, "string"))
        for name, entry in declared.items()
    }


def fit(parameter: Parameter, value: Any) -> Any:
    """The value that a job gets for what was given.

    Raises:
        UnfitValueError: It is not, or cannot become, of the parameter's type.
    """
    if isinstance(value, TextValue):
        try:
            value = coerce(parameter.kind, str(value))
        except ValueError as error:
            raise UnfitValueError(str(error).rstrip(".")) from None
    if parameter.type is not None and not is_compatible(infer(value), parameter.type):
        found = infer(value)
        name = found.definition
        raise UnfitValueError(f"{_show(value)} is {name}, but {parameter.type_name} is wanted")
    if parameter.type is None and not _is_of_kind(parameter, value):
        raise UnfitValueError(f"{_show(value)} is not a {parameter.kind}")
    return value


def resolve(
    parameters: Parameters, given: Mapping[str, Any], *, varied: Collection[str] = ()
) -> tuple[dict[str, Any], list[Issue]]:
    """Fit everything that was given and add the defaults.

    Args:
        parameters: What the entrypoint declares.
        given: Values by name.
        varied: Names whose values come from elsewhere; they are left out.

    Returns:
        Values by name in the order of declaration, and everything that is wrong.
    """
    issues = [unknown(name, parameters) for name in [*given, *varied] if name not in parameters]
    values: dict[str, Any] = {}
    for name, parameter in parameters.items():
        if name in varied:
            if name in given:
                text = f"parameter {name!r} both varies and is given; leave one out"
                issues.append(issue("job.parameter.twice", text, name))
        elif name in given:
            try:
                values[name] = fit(parameter, given[name])
            except UnfitValueError as error:
                issues.append(issue("job.parameter.value", f"parameter {name!r}: {error}", name))
        elif parameter.has_default:
            values[name] = parameter.default
        else:
            text = f"parameter {name!r} ({parameter.type_name}) has no default: give a value"
            issues.append(issue("job.parameter.missing", text, name))
    return values, issues


def unknown(name: str, parameters: Parameters) -> Issue:
    """The issue of a parameter that is not declared."""
    known = ", ".join(parameters) or "none"
    text = f"the entrypoint has no parameter {name!r}; it has: {known}"
    return issue("job.parameter.unknown", text, name)


def issue(code: str, message: str, name: str, section: str = "parameters") -> Issue:
    """An error about one entry of a request."""
    return Issue(severity="error", code=code, message=message, path=f"$.{section}.{name}")


def _read(name: str, entry: Any, types: Mapping[str, Type], kind: str) -> Parameter:
    has_default = not isinstance(entry, Mapping) or "default" in entry
    default = entry.get("default") if isinstance(entry, Mapping) else entry
    declared = entry.get("type") if isinstance(entry, Mapping) else None
    kind_of_type: Type | None = None
    if declared is not None:
        kind_of_type = parse_type(declared, types)
    elif kind not in {"list", "mapping"} and default is not None:
        # As when the graph was checked: the type of the default.
        kind_of_type = infer(default)
    return Parameter(
        name=name,
        kind=kind,
        type=kind_of_type,
        type_name=str(declared or (kind_of_type.definition if kind_of_type else kind)),
        has_default=has_default,
        default=default,
    )


def _is_of_kind(parameter: Parameter, value: Any) -> bool:
    if parameter.kind == "list":
        return isinstance(value, list)
    return parameter.kind != "mapping" or isinstance(value, Mapping)


def _show(value: Any, longest: int = 60) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = repr(value)
    return text if len(text) <= longest else text[: longest - 3] + "..."
