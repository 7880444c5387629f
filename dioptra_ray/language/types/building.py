"""Building types from their definitions, in dependency order (semantics sections 1.1, 2.2)."""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from dioptra_ray.language.suggestions import did_you_mean
from dioptra_ray.language.types.errors import TypeDefinitionError
from dioptra_ray.language.types.model import (
    BUILTIN_TYPES,
    INTEGER,
    STRING,
    KeyedMappingType,
    ListType,
    MappingType,
    SimpleType,
    TupleType,
    Type,
    UnionType,
)

_STRUCTURES = ("list", "tuple", "mapping")
# Finding each cycle is a look at all definitions.
_MOST_CYCLES = 100
_MOST_LOOKS = 200_000


def build_types(definitions: Mapping[str, Any]) -> dict[str, Type]:
    """All types by name, the built-in ones included.

    Raises:
        TypeDefinitionError: A definition is wrong; the first one found.
    """
    types: dict[str, Type] = dict(BUILTIN_TYPES)
    for name in definitions:
        if name in BUILTIN_TYPES:
            raise _redefined(name)
    for name in sort_definitions(definitions):
        types[name] = _build(definitions[name], types, name)
    return types


def build_each(
    definitions: Mapping[str, Any],
) -> tuple[dict[str, Type], list[TypeDefinitionError]]:
    """The types that can be built, the built-in ones included, and why others cannot.

    Nothing is said of those that only mention a type that is unknown or cannot be built.
    """
    types: dict[str, Type] = dict(BUILTIN_TYPES)
    errors = [_redefined(name) for name in definitions if name in BUILTIN_TYPES]
    left = {name: one for name, one in definitions.items() if name not in BUILTIN_TYPES}
    mentioned = {name: referenced_names(definition) for name, definition in left.items()}
    for name in _sort_each(mentioned, errors):
        if all(other in types for other in mentioned[name]):
            try:
                types[name] = _build(left[name], types, name)
            except TypeDefinitionError as error:
                errors.append(error)
    return types, errors


def parse_type(definition: Any, types: Mapping[str, Type]) -> Type:
    """The type that a name or an inline definition stands for.

    Raises:
        TypeDefinitionError: No such name, or a wrong definition.
    """
    return _part(definition, types, None)


def referenced_names(definition: Any) -> list[str]:
    """The type names that a definition mentions, each once, in order; never raises."""
    if not isinstance(definition, Mapping):
        return []
    found: dict[str, None] = {}
    pending: list[Any] = [definition]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            found[part] = None
        elif isinstance(part, Mapping):
            pending.extend(reversed(list(_parts(part))))
    return list(found)


def sort_definitions(definitions: Mapping[str, Any]) -> list[str]:
    """The names of the definitions, each after those that it mentions.

    Raises:
        TypeDefinitionError: A definition mentions an unknown type, or itself.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, definition in definitions.items():
        mentioned = referenced_names(definition)
        for other in mentioned:
            if other not in definitions and other not in BUILTIN_TYPES:
                raise _not_found(other, {**BUILTIN_TYPES, **definitions}, name)
        sorter.add(name, *(other for other in mentioned if other not in BUILTIN_TYPES))
    try:
        return list(sorter.static_order())
    except CycleError as error:
        raise _cycle(error) from None


def _sort_each(
    mentioned: Mapping[str, list[str]], errors: list[TypeDefinitionError]
) -> Iterator[str]:
    """The names that are in no cycle, each after those that it mentions; cycles are errors."""
    waits = {name: {*others} & mentioned.keys() for name, others in mentioned.items()}
    for _ in range(max(1, min(_MOST_CYCLES, _MOST_LOOKS // max(1, len(waits))))):
        sorter = TopologicalSorter(waits)
        try:
            sorter.prepare()
        except CycleError as error:
            errors.append(_cycle(error))
            members = {*error.args[1]}
            waits = {name: others - members for name, others in waits.items()}
            for name in members:
                del waits[name]
        else:
            yield from TopologicalSorter(waits).static_order()
            return


def _cycle(error: CycleError) -> TypeDefinitionError:
    cycle = list(reversed(error.args[1]))
    return TypeDefinitionError(
        "These types are defined by each other: " + " -> ".join(map(str, cycle)) + ".",
        code="type.cycle",
        type_name=cycle[0],
    )


def _redefined(name: str) -> TypeDefinitionError:
    return TypeDefinitionError(
        f"The built-in type {name!r} cannot be defined again; choose another name.",
        code="type.builtin_redefined",
        type_name=name,
    )


def _parts(definition: Mapping[Any, Any]) -> Iterator[Any]:
    """The direct parts of a definition: names and nested definitions."""
    if "is_a" in definition:
        yield definition["is_a"]
    if "list" in definition:
        yield definition["list"]
    for key in ("tuple", "mapping", "union"):
        parts = definition.get(key)
        if isinstance(parts, list | tuple):
            yield from parts
        elif isinstance(parts, Mapping) and key == "mapping":
            yield from parts.values()


def _build(definition: Any, types: Mapping[str, Type], name: str | None) -> Type:
    """The type of a definition, named `name`; its parts must be known already."""
    if definition is None or definition == {}:
        return _simple(None, types, name)
    if not isinstance(definition, Mapping):
        raise _malformed(name, "a definition is empty or a mapping")
    structures = [key for key in _STRUCTURES if key in definition]
    if len(structures) > 1:
        raise _malformed(name, f"it says both {structures[0]} and {structures[1]}")
    extra = [key for key in definition if key not in (*_STRUCTURES, "is_a", "union")]
    if extra or len(definition) > 1:
        raise _malformed(name, "use exactly one of is_a, list, tuple, mapping, union")
    if "is_a" in definition:
        return _simple(definition["is_a"], types, name)
    if "union" in definition:
        return _union(definition["union"], types, name)
    return _structured(structures[0], definition[structures[0]], types, name)


def _simple(supertype: Any, types: Mapping[str, Type], name: str | None) -> SimpleType:
    if name is None:
        raise TypeDefinitionError(
            "A simple type needs a name of its own: define it under `types` and use its name.",
            code="type.anonymous_simple",
        )
    if supertype is None:
        return SimpleType(name)
    above = _part(supertype, types, name)
    if not isinstance(above, SimpleType):
        raise TypeDefinitionError(
            f"Type {name!r} cannot be a subtype of {supertype!r}, which has a structure; "
            "only simple types have subtypes.",
            code="type.super_not_simple",
            type_name=name,
        )
    return SimpleType(name, above)


def _union(members: Any, types: Mapping[str, Type], name: str | None) -> Type:
    if not isinstance(members, list | tuple):
        raise _malformed(name, "the members of a union are a list")
    if not members:
        # As in Dioptra: a named union of nothing is a simple type, an inline one an error.
        return _simple(None, types, name)
    return UnionType((_part(member, types, name) for member in members), name)


def _structured(key: str, parts: Any, types: Mapping[str, Type], name: str | None) -> Type:
    if key == "list":
        return ListType(_part(parts, types, name), name)
    if key == "mapping" and isinstance(parts, Mapping):
        return MappingType({p: _part(part, types, name) for p, part in parts.items()}, name)
    if not isinstance(parts, list | tuple):
        raise _malformed(name, f"a {key} is defined by a list of types")
    if key == "tuple":
        return TupleType((_part(part, types, name) for part in parts), name)
    return _keyed_mapping(parts, types, name)


def _keyed_mapping(
    parts: list[Any] | tuple[Any, ...], types: Mapping[str, Type], name: str | None
) -> KeyedMappingType:
    if len(parts) != len(("key", "value")):
        raise _malformed(name, "a mapping by key and value types has exactly two types")
    key, value = (_part(part, types, name) for part in parts)
    if key not in (STRING, INTEGER):
        raise TypeDefinitionError(
            f"The keys of a mapping are string or integer, not {key}.",
            code="type.invalid_key",
            type_name=name,
        )
    return KeyedMappingType(key, value, name)


def _part(definition: Any, types: Mapping[str, Type], name: str | None) -> Type:
    if isinstance(definition, str):
        if definition not in types:
            raise _not_found(definition, types, name)
        return types[definition]
    try:
        return _build(definition, types, None)
    except TypeDefinitionError as error:
        if error.type_name is None and name is not None:
            error.type_name = name
        raise


def _not_found(missing: str, known: Mapping[str, Any], name: str | None) -> TypeDefinitionError:
    where = f"Type {name!r} is defined by" if name is not None else "This definition mentions"
    return TypeDefinitionError(
        f"{where} an unknown type, {missing!r}.{did_you_mean(missing, known)}",
        code="type.not_found",
        type_name=name,
    )


def _malformed(name: str | None, problem: str) -> TypeDefinitionError:
    what = f"Type {name!r}" if name is not None else "An inline type"
    return TypeDefinitionError(
        f"{what} is not defined well: {problem}.", code="type.malformed", type_name=name
    )
