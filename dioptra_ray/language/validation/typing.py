"""Types: that they exist and can be built, and that values fit where they go."""

from collections.abc import Iterator, Mapping
from typing import Any

from dioptra_ray.language.paths import Path
from dioptra_ray.language.types import (
    BUILTIN_TYPES,
    Type,
    TypeDefinitionError,
    infer,
    parse_type,
    referenced_names,
)
from dioptra_ray.language.types.building import sort_definitions
from dioptra_ray.language.validation.findings import Finding, listing, show
from dioptra_ray.language.validation.resolver import Resolver
from dioptra_ray.language.validation.scope import Call, Input, Scope


def parameter_types_exist(scope: Scope) -> Iterator[Finding]:
    """The declared type of every parameter is defined."""
    for name, parameter in scope.parameters.items():
        if not isinstance(parameter, Mapping) or "type" not in parameter:
            continue
        declared = parameter["type"]
        if not scope.knows_type(declared):
            yield Finding(
                code="param.undefined_type",
                message=(
                    f"Parameter {show(name)} has an unknown type, {show(declared)}."
                    f"{scope.suggest(declared, scope.type_names)}"
                ),
                path=("parameters", name, "type"),
            )


def artifact_input_types_exist(scope: Scope) -> Iterator[Finding]:
    """The type of every output of an artifact input is defined."""
    for name, outputs in scope.artifact_inputs.items():
        for output in outputs:
            if not scope.knows_type(output.type):
                yield Finding(
                    code="artifact_input.undefined_type",
                    message=(
                        f"The output {show(output.name)} of artifact input {show(name)} has an "
                        f"unknown type, {show(output.type)}."
                        f"{scope.suggest(output.type, scope.type_names)}"
                    ),
                    path=output.path,
                )


def definitions_name_types(scope: Scope) -> Iterator[Finding]:
    """Every type that a definition mentions is defined."""
    for name, definition in scope.types.items():
        for mentioned in referenced_names(definition):
            if not scope.knows_type(mentioned):
                yield Finding(
                    code="type.undefined_reference",
                    message=(
                        f"Type {show(name)} is defined by an unknown type, {show(mentioned)}."
                        f"{scope.suggest(mentioned, scope.type_names)}"
                    ),
                    path=("types", name),
                )


def definitions_have_an_order(scope: Scope) -> Iterator[Finding]:
    """No type is defined by itself."""
    try:
        sort_definitions(scope.types)
    except TypeDefinitionError as error:
        not_found = error.code == "type.not_found"
        message = error.message
        if not_found:
            message = "The types cannot be put in order while one of them is unknown."
        yield Finding(
            code="type.not_found_in_sort" if not_found else error.code,
            message=message,
            path=("types", error.type_name),
        )


def types_can_be_built(scope: Scope) -> Iterator[Finding]:
    """Every definition makes a type."""
    try:
        scope.built_types  # noqa: B018 - built for what it may raise
    except TypeDefinitionError as error:
        yield Finding(code=error.code, message=error.message, path=("types", error.type_name))


def defaults_fit(scope: Scope) -> Iterator[Finding]:
    """The default of a parameter fits its declared type."""
    for name, parameter in scope.parameters.items():
        if not isinstance(parameter, Mapping) or not {"type", "default"} <= parameter.keys():
            continue
        found, declared = infer(parameter["default"]), scope.built_types.get(parameter["type"])
        if declared is not None and not scope.comparer.fits(found, declared):
            yield Finding(
                code="param.default_mismatch",
                message=(
                    f"The default of parameter {show(name)} is of type {scope.describe(found)}, "
                    f"which does not fit {scope.describe(declared)}."
                ),
                path=("parameters", name, "default"),
            )


def arguments_fit(scope: Scope) -> Iterator[Finding]:
    """The type of every argument fits the input that it goes to, whatever swaps are chosen."""
    resolver = Resolver(scope)
    for call in scope.known_calls:
        inputs = scope.tasks[call.task].inputs
        given_by_position, given_by_name = scope.clear_arguments(call)
        for number, ((path, value), each) in enumerate(
            zip(given_by_position, inputs, strict=False)
        ):
            if problem := _mismatch(resolver, call, each, value):
                position = f"Argument {number + 1}"
                yield _to_finding("arg.positional_mismatch", position, problem, path)
        by_name = {each.name: each for each in inputs}
        for name, path, value in given_by_name:
            if problem := _mismatch(resolver, call, by_name[name], value):
                yield _to_finding("arg.keyword_mismatch", f"Argument {show(name)}", problem, path)


def unions_have_no_duplicates(scope: Scope) -> Iterator[Finding]:
    """A union lists each member once."""
    for name, definition in scope.types.items():
        members = definition.get("union") if isinstance(definition, Mapping) else None
        if not members or name not in scope.built_types:
            continue
        seen: set[Type] = set()
        repeated: dict[str, None] = {}
        for member in members:
            built = parse_type(member, scope.built_types)
            if built in seen:
                repeated[scope.describe(built)] = None
            seen.add(built)
        if repeated:
            yield Finding(
                code="type.union_duplicates",
                message=f"Union {show(name)} has a member more than once: {listing(repeated)}.",
                path=("types", name, "union"),
                severity="warning",
            )


def _mismatch(resolver: Resolver, call: Call, each: Input, value: Any) -> str:
    scope = resolver.scope
    declared = scope.built_types.get(each.type)
    if declared is None or not scope.has_type(value):
        return ""
    found = infer(value, resolver)
    if scope.comparer.fits(found, declared):
        return ""
    choices = ""
    if resolver.is_open(value):
        misfit = next(resolver.misfits(value, declared), None)
        if misfit is None:
            return ""
        found, choices = misfit
    takes = f"input {show(each.name)} of task {show(call.task)} takes {scope.describe(declared)}"
    return (
        f"of step {call.shown} is of type {scope.describe(found)}{choices}, but {takes}."
        f"{_hint(found)}"
    )


def _hint(found: Type) -> str:
    if found == BUILTIN_TYPES["any"]:
        return " A value of type any fits only inputs of type any."
    return ""


def _to_finding(code: str, argument: str, problem: str, path: Path) -> Finding:
    return Finding(code=code, message=f"{argument} {problem}", path=path)
