"""Why an entry has none of the shapes that it may have, in one sentence and with its place.

A `oneOf` that fails says only that it failed. These functions look for what the writer most
likely got wrong; they are called for entries that are known to be wrong.
"""

from collections.abc import Callable, Mapping
from typing import Any

from dioptra_ray.language.validation.findings import kind_of, listing, show

Explanation = tuple[str, tuple[Any, ...]]
_Explainer = Callable[[Any], Explanation]

_STRUCTURES = ("list", "tuple", "mapping", "union")


def explain_entry(path: tuple[Any, ...], value: Any) -> Explanation:
    """What is wrong with the entry at `path`, and where inside it."""
    what, explain = _find_explainer(path)
    if explain is None:
        return f"{show(value)} has none of the shapes that are allowed here.", ()
    message, inner = explain(value)
    return f"{what}: {message}", inner


def _find_explainer(path: tuple[Any, ...]) -> tuple[str, _Explainer | None]:
    match path:
        case ("tasks", name, "inputs", index):
            return f"Input {index + 1} of task {show(name)}", _explain_input
        case ("tasks", name, "outputs"):
            return f"The outputs of task {show(name)}", _explain_outputs
        case (section, name) if section in _ENTRIES:
            what, explain = _ENTRIES[section]
            return f"{what} {show(name)}", explain
    return "", None


def _explain_definition(value: Any) -> Explanation:
    if isinstance(value, Mapping) and len(value) == 1:
        key, parts = next(iter(value.items()))
        if key == "is_a" or key in _STRUCTURES:
            return _explain_parts(key, parts)
    return _explain_shape(value, nested=False)


def _explain_nested(value: Any) -> Explanation:
    """What is wrong with a part of a definition; no message when nothing is."""
    if isinstance(value, str):
        return "", ()
    if value is None:
        return 'a part has no type; the type of nothing is "null", in quotes.', ()
    if isinstance(value, Mapping):
        if not value or "is_a" in value:
            return "a simple type cannot be defined inside another; name it under `types`.", ()
        key, parts = next(iter(value.items()))
        if len(value) == 1 and key in _STRUCTURES:
            return _explain_parts(key, parts)
    return _explain_shape(value, nested=True)


def _explain_shape(value: Any, *, nested: bool) -> Explanation:
    allowed = _STRUCTURES if nested else ("is_a", *_STRUCTURES)
    if not isinstance(value, Mapping):
        hint = f" To make a subtype write {{is_a: {value}}}." if isinstance(value, str) else ""
        shape = "is_a, list, tuple, mapping or union"
        return f"a definition is empty or a mapping with {shape}, not {kind_of(value)}.{hint}", ()
    unknown = [key for key in value if key not in allowed]
    if unknown:
        return f"{listing(unknown)} means nothing here; use one of {', '.join(allowed)}.", ()
    return f"use exactly one of {listing(value)}.", ()


def _explain_parts(key: str, parts: Any) -> Explanation:
    if key == "is_a":
        return "`is_a` names one type.", (key,)
    if key == "list":
        message, inner = _explain_nested(parts)
        return message, (key, *inner)
    if isinstance(parts, list):
        if key == "mapping" and len(parts) != len(("key", "value")):
            return f"`mapping: [K, V]` takes exactly two types, not {len(parts)}.", (key,)
        entries: list[tuple[Any, Any]] = list(enumerate(parts))
    elif key == "mapping" and isinstance(parts, Mapping):
        entries = list(parts.items())
    else:
        wanted = "a list of two types or a mapping" if key == "mapping" else "a list of types"
        return f"`{key}` takes {wanted}, not {kind_of(parts)}.", (key,)
    for place, part in entries:
        message, inner = _explain_nested(part)
        if message:
            return message, (key, place, *inner)
    return "", ()


def _explain_parameter(value: Any) -> Explanation:
    if not isinstance(value, Mapping):
        kind = kind_of(value)
        return f"{kind} cannot be a default as it is; write {{default: ...}} around it.", ()
    if not value:
        return "it needs a `type`, a `default` or both.", ()
    unknown = [key for key in value if key not in ("type", "default")]
    if unknown:
        hint = "" if "default" in value else " A mapping as default is written {default: {...}}."
        return f"{listing(unknown)} is neither `type` nor `default`.{hint}", (unknown[0],)
    return f"`type` is the name of a type.{_quoted_null(value['type'])}", ("type",)


def _explain_input(value: Any) -> Explanation:
    if not isinstance(value, Mapping) or not value:
        return "an input is {name: type}.", ()
    if "name" in value:
        return _explain_long_input(value)
    if len(value) > 1:
        return f"an input is one {{name: type}}, not {len(value)} at once.", ()
    return _explain_named_type(value)


def _explain_long_input(value: Mapping[Any, Any]) -> Explanation:
    if "type" not in value:
        return (
            "with a `name` key it must have a `type` too; an input that is itself called "
            '"name" is written {name: name, type: ...}.'
        ), ()
    unknown = [key for key in value if key not in ("name", "type", "required")]
    if unknown:
        return f"{listing(unknown)} is none of `name`, `type`, `required`.", (unknown[0],)
    for key in ("name", "type"):
        if not isinstance(value[key], str):
            return f"`{key}` must be text.{_quoted_null(value[key])}", (key,)
    return "`required` must be true or false.", ("required",)


def _explain_outputs(value: Any) -> Explanation:
    if isinstance(value, list):
        for index, output in enumerate(value):
            message, inner = _explain_output(output)
            if message:
                return message, (index, *inner)
    message, inner = _explain_output(value)
    return message or "it must be {name: type} or a list of them.", inner


def _explain_output(value: Any) -> Explanation:
    if not isinstance(value, Mapping):
        return f"an output is {{name: type}}, not {kind_of(value)}.", ()
    if not value:
        return "an output is {name: type}, not an empty mapping.", ()
    if len(value) > 1:
        return "several outputs are a list of {name: type}, one entry each.", ()
    return _explain_named_type(value)


def _explain_named_type(value: Mapping[Any, Any]) -> Explanation:
    name, declared = next(iter(value.items()))
    if isinstance(declared, str):
        return "", ()
    return (
        f"the type of {show(name)} must be the name of a type, not {kind_of(declared)}."
        f"{_quoted_null(declared)}"
    ), (name,)


def _explain_step(value: Any) -> Explanation:
    if not isinstance(value, Mapping):
        return f"a step is a mapping such as {{task: [arguments]}}, not {kind_of(value)}.", ()
    dependencies = value.get("dependencies", [])
    names = [dependencies] if not isinstance(dependencies, list) else dependencies
    if not all(isinstance(name, str) for name in names):
        return "`dependencies` is the name of a step or a list of names.", ("dependencies",)
    if "task" in value:
        return _explain_mixed_step(value)
    tasks = [key for key in value if key != "dependencies"]
    if not tasks:
        return "it does not say which task to call.", ()
    for task in tasks:
        if not isinstance(value[task], str | int | float | bool | list | Mapping | None):
            kind = kind_of(value[task])
            return f"{kind} cannot be an argument by itself; put it in quotes or a list.", (task,)
    return f"a step calls one task; this one names {listing(tasks)}.", ()


def _explain_mixed_step(value: Mapping[Any, Any]) -> Explanation:
    if not isinstance(value["task"], str) or not value["task"]:
        return (
            "`task` must be the name of a task. (A task that is itself called "
            '"task" is called by {task: task, args: ...}.)'
        ), ("task",)
    allowed = ("task", "args", "kwargs", "dependencies")
    unknown = [key for key in value if key not in allowed]
    if unknown:
        return (
            f"{listing(unknown)} does not belong beside `task`; only args, kwargs and "
            "dependencies do."
        ), (unknown[0],)
    if "kwargs" in value and not isinstance(value["kwargs"], Mapping):
        return f"`kwargs` must be a mapping, not {kind_of(value['kwargs'])}.", ("kwargs",)
    return f"`args` must be a list or one value, not {kind_of(value.get('args'))}.", ("args",)


def _quoted_null(value: Any) -> str:
    return ' The null type is written "null", in quotes.' if value is None else ""


_ENTRIES: Mapping[str, tuple[str, _Explainer]] = {
    "types": ("Type", _explain_definition),
    "parameters": ("Parameter", _explain_parameter),
    "artifact_inputs": ("Artifact input", _explain_outputs),
    "graph": ("Step", _explain_step),
}
