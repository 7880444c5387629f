"""The shape of a description as a JSON Schema (semantics section 1).

One issue stands for one violation as a draft 2020-12 validator lists them at the top level:
a `oneOf` that fails is one issue, whatever is wrong inside; `explain` says what that is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry

from dioptra_ray.language.alternatives import swap_key
from dioptra_ray.language.paths import Path
from dioptra_ray.language.suggestions import did_you_mean
from dioptra_ray.language.validation.explain import explain_entry
from dioptra_ray.language.validation.findings import Finding, kind_of, listing, show
from dioptra_ray.language.validation.swaps import check_swaps

_TEXT = {"type": "string"}
_PLAIN = {"type": ["string", "number", "boolean", "null", "array"]}
_OBJECT = {"type": "object"}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _closed(properties: Mapping[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def _short_step(argument: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"dependencies": _ref("dependencies")},
        "additionalProperties": argument,
        # A step with a `task` key is always of the mixed style.
        "not": {"required": ["task"]},
    }


_DEFINITIONS: dict[str, Any] = {
    "simple_type": {"oneOf": [{"type": "null"}, _closed({"is_a": _TEXT})]},
    "structured_type": {
        "oneOf": [
            _closed({"list": _ref("type_part")}, "list"),
            _closed({"tuple": {"type": "array", "items": _ref("type_part")}}, "tuple"),
            _closed({"mapping": _ref("mapping_parts")}, "mapping"),
            _closed({"union": {"type": "array", "items": _ref("type_part")}}, "union"),
        ]
    },
    "type_part": {"oneOf": [_TEXT, _ref("structured_type")]},
    "mapping_parts": {
        "oneOf": [
            {"type": "array", "items": _ref("type_part"), "minItems": 2, "maxItems": 2},
            {"type": "object", "additionalProperties": _ref("type_part")},
        ]
    },
    "named_type": {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": _TEXT,
    },
    "outputs": {"oneOf": [_ref("named_type"), {"type": "array", "items": _ref("named_type")}]},
    "parameter": {"oneOf": [_PLAIN, _closed({"type": _TEXT, "default": {}}, minProperties=1)]},
    "input": {
        "oneOf": [
            {**_OBJECT, "$ref": "#/$defs/named_type", "not": {"required": ["name"]}},
            _closed(
                {"name": _TEXT, "type": _TEXT, "required": {"type": "boolean"}}, "name", "type"
            ),
        ]
    },
    "task": _closed(
        {
            "plugin": {"type": "string", "minLength": 3},
            "inputs": {"type": "array", "items": _ref("input")},
            "outputs": _ref("outputs"),
        },
        "plugin",
    ),
    "dependencies": {"oneOf": [_TEXT, {"type": "array", "items": _TEXT}]},
    "step": {
        "oneOf": [
            _short_step(_PLAIN),
            _short_step(_OBJECT),
            _closed(
                {
                    "task": {"type": "string", "minLength": 1},
                    "args": _PLAIN,
                    "kwargs": _OBJECT,
                    "dependencies": _ref("dependencies"),
                },
                "task",
            ),
        ]
    },
    "artifact_output": _closed(
        {"contents": _TEXT, "task": _closed({"name": {}, "args": _OBJECT}, "name")},
        "contents",
        "task",
    ),
}


def _section(entry: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": _ref(entry), **more}


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Dioptra experiment description",
    "$defs": {
        **_DEFINITIONS,
        "type": {"oneOf": [_ref("simple_type"), _ref("structured_type")]},
    },
    **_closed(
        {
            "types": _section("type"),
            "parameters": _section("parameter"),
            "tasks": _section("task", minProperties=1),
            "graph": _section("step", minProperties=1),
            "artifact_inputs": _section("outputs"),
            "artifact_outputs": _section("artifact_output"),
            "execution": {},
        },
        "tasks",
        "graph",
    ),
}


def check_shape(description: Any, artifact_tasks: Mapping[str, Any]) -> Iterator[Finding]:
    """Every violation of the schema."""
    for error in _validator().iter_errors(_with_visible_keys(_without_swaps(description))):
        finding = _to_finding(error)
        yield replace(finding, path=tuple(map(_as_written, finding.path)))
    graph = description.get("graph") if isinstance(description, Mapping) else None
    if isinstance(graph, Mapping):
        yield from check_swaps(graph, check_step)
    yield from _check_artifact_tasks(description, artifact_tasks)


def check_step(step: Any, path: Path) -> Iterator[Finding]:
    """Every violation of the schema of one step, which is at `path`."""
    for error in _validator().descend(step, _ref("step")):
        # Explained as a step, wherever in the graph it is.
        message, inner = explain_entry(path[:2], error.instance)
        yield Finding(code="schema", message=message, path=(*path, *inner))


def _without_swaps(description: Any) -> Any:
    """The description with any good step in place of those that have rules of their own."""
    graph = description.get("graph") if isinstance(description, Mapping) else None
    if not isinstance(graph, Mapping) or not any(map(swap_key, graph.values())):
        return description
    plain = {step: {"task": "any"} if swap_key(one) else one for step, one in graph.items()}
    return {**description, "graph": plain}


class _NullKey:
    """Stands for a key that is null, which jsonschema leaves out of the places that it tells."""

    def __repr__(self) -> str:
        return "None"


_NULL_KEY = _NullKey()


def _with_visible_keys(description: Any) -> Any:
    """The description with a key that can be told in place of null in each section."""
    if not isinstance(description, Mapping):
        return description
    return {
        section: {_NULL_KEY if key is None else key: entry for key, entry in entries.items()}
        if isinstance(entries, Mapping) and None in entries
        else entries
        for section, entries in description.items()
    }


def _as_written(key: Any) -> Any:
    return None if key is _NULL_KEY else key


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(SCHEMA, registry=Registry())


def _check_artifact_tasks(description: Any, artifact_tasks: Mapping[str, Any]) -> Iterator[Finding]:
    outputs = description.get("artifact_outputs") if isinstance(description, Mapping) else None
    for name, output in outputs.items() if isinstance(outputs, Mapping) else ():
        task = output.get("task") if isinstance(output, Mapping) else None
        if not isinstance(task, Mapping) or "name" not in task:
            continue
        path = ("artifact_outputs", name, "task")
        used = task["name"]
        if not isinstance(used, str) or used not in artifact_tasks:
            yield Finding(
                code="schema", message=_unknown_task(used, artifact_tasks), path=(*path, "name")
            )
        elif isinstance(task.get("args"), Mapping):
            yield from _check_arguments(task["args"], used, artifact_tasks[used], (*path, "args"))


def _unknown_task(used: Any, artifact_tasks: Mapping[str, Any]) -> str:
    if not artifact_tasks:
        return (
            f"The artifact task {show(used)} is not known: no attached plugin has artifact tasks."
        )
    guess = did_you_mean(used, artifact_tasks)
    return (
        f"There is no artifact task {show(used)}.{guess} "
        f"The attached plugins have {listing(artifact_tasks)}."
    )


def _check_arguments(
    arguments: Mapping[str, Any], task: str, properties: Any, path: tuple[Any, ...]
) -> Iterator[Finding]:
    if not isinstance(properties, Mapping):
        return
    schema = {"type": "object", "properties": dict(properties)}
    try:
        errors = list(Draft202012Validator(schema, registry=Registry()).iter_errors(arguments))
    except Exception as error:  # noqa: BLE001 - the schema is a plugin's and may be anything
        yield Finding(
            code="artifact_task.invalid_schema",
            message=(
                f"The arguments of artifact task {show(task)} cannot be checked: what its "
                f"validation() returns is no JSON schema ({type(error).__name__})."
            ),
            path=path,
        )
        return
    for violation in errors:
        place = tuple(violation.absolute_path)
        name = show(place[0]) if place else "its arguments"
        message = (
            f"Artifact task {show(task)} does not accept this for {name}: {_short(violation)}."
        )
        yield Finding(code="schema", message=message, path=(*path, *place))


def _to_finding(error: ValidationError) -> Finding:
    path = tuple(error.absolute_path)
    value = error.instance
    if error.validator == "oneOf":
        message, inner = explain_entry(path, value)
        return Finding(code="schema", message=message, path=(*path, *inner))
    if error.validator == "additionalProperties" and isinstance(value, Mapping):
        return _unknown_key(path, value, error.schema)
    if error.validator == "type":
        message = _wrong_type(path, value)
    elif error.validator == "required":
        # jsonschema reports each missing key by itself, and names it in the message only.
        wanted: Any = error.validator_value
        missing = next(key for key in wanted if error.message.startswith(repr(key)))
        message = f"{_name(path)} has no `{missing}`, which it must have."
    elif error.validator == "minProperties":
        message = f"{_name(path)} is empty; it needs at least one entry."
    elif error.validator == "minLength":
        message = (
            f"{_name(path)} is {show(value)}; it must be a dotted name, such as "
            "plugin.module.function."
        )
    else:
        message = f"{_name(path)} is not as it must be: {_short(error)}."
    return Finding(code="schema", message=message, path=path)


def _unknown_key(path: tuple[Any, ...], value: Mapping[Any, Any], schema: Any) -> Finding:
    known = [key for key in schema.get("properties", {}) if key != "execution" or not path]
    extra = [key for key in value if key not in known]
    first = extra[0] if extra else None
    if not path and str(first).lower() == "artifacts":
        hint = (
            " `artifacts` belongs to entrypoint files that a dioptra.toml names; "
            "in a description it is `artifact_outputs`."
        )
    else:
        hint = did_you_mean(first, known)
    keys = "an unknown key" if len(extra) == 1 else "unknown keys"
    message = f"{_name(path)} has {keys}: {listing(extra)}.{hint}"
    return Finding(code="schema", message=message, path=(*path, first), at_key=True)


def _wrong_type(path: tuple[Any, ...], value: Any) -> str:
    wanted = "text" if path and path[-1] in ("contents", "plugin") else "a mapping"
    if path and path[-1] == "inputs":
        wanted = "a list"
    if not path:
        wanted = "a mapping with `tasks` and `graph`"
    hint = ""
    if value is None and len(path) == 1:
        hint = " Leave the section out if it is not needed."
    return f"{_name(path)} must be {wanted}, not {kind_of(value)}.{hint}"


def _name(path: tuple[Any, ...]) -> str:
    singular = {
        "types": "Type",
        "parameters": "Parameter",
        "tasks": "Task",
        "graph": "Step",
        "artifact_inputs": "Artifact input",
        "artifact_outputs": "Artifact output",
    }
    match path:
        case ():
            return "The description"
        case (section,):
            return f"`{section}`"
        case (section, name):
            return f"{singular.get(section, section)} {show(name)}"
        case (section, name, *inner):
            keys = ".".join(map(str, inner))
            return f"`{keys}` of {singular.get(section, section).lower()} {show(name)}"
    return "This"


def _short(error: ValidationError) -> str:
    return show(error.message).strip('"')
