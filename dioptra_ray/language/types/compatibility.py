"""Which types fit where (semantics section 2.4), and what types have in common.

Unions are flattened first. That changes no answer: a union fits when each of its leaves
does, and something fits a union when it fits one of its leaves.
"""

from collections.abc import Iterable
from itertools import repeat

from dioptra_ray.language.types.model import (
    ANY,
    STRING,
    KeyedMappingType,
    ListType,
    MappingType,
    SimpleType,
    StructuredType,
    TupleType,
    Type,
    UnionType,
)

_Known = dict[tuple[int, int], bool]


def is_compatible(argument: Type, parameter: Type) -> bool:
    """May an argument of type `argument` go where `parameter` is declared?"""
    return _fits(argument, parameter, {})


def common_base(types: Iterable[Type]) -> Type:
    """The nearest type that all of `types` are subtypes of; `any` when there is none."""
    base: Type | None = None
    for other in types:
        base = other if base is None else _nearest_shared(base, other)
    return ANY if base is None else base


def _nearest_shared(left: Type, right: Type) -> Type:
    if left == right:
        return left
    if not isinstance(left, SimpleType) or not isinstance(right, SimpleType):
        return ANY
    above = set(right.lineage())
    return next((ancestor for ancestor in left.lineage() if ancestor in above), ANY)


def _fits(argument: Type, parameter: Type, known: _Known) -> bool:
    """Decide once per pair, since shared parts would otherwise be compared again and again."""
    if parameter in (ANY, argument):
        return True
    pair = (id(argument), id(parameter))
    answer = known.get(pair)
    if answer is None:
        answer = known[pair] = _decide(argument, parameter, known)
    return answer


def _decide(argument: Type, parameter: Type, known: _Known) -> bool:
    if isinstance(argument, UnionType):
        return all(_fits(leaf, parameter, known) for leaf in argument.leaves())
    if isinstance(parameter, UnionType):
        return any(_fits(argument, leaf, known) for leaf in parameter.leaves())
    if isinstance(argument, SimpleType) and isinstance(parameter, SimpleType):
        return parameter in argument.lineage()
    if isinstance(argument, StructuredType) and isinstance(parameter, StructuredType):
        both_named = argument.name is not None and parameter.name is not None
        return not both_named and _structures_fit(argument, parameter, known)
    return False


def _structures_fit(argument: Type, parameter: Type, known: _Known) -> bool:  # noqa: PLR0911 - one answer per pair of kinds
    match argument, parameter:
        case TupleType(), ListType():
            return _all_fit(zip(argument.elements, repeat(parameter.element)), known)
        case ListType(), ListType():
            return _fits(argument.element, parameter.element, known)
        case TupleType(), TupleType():
            if len(argument.elements) != len(parameter.elements):
                return False
            return _all_fit(zip(argument.elements, parameter.elements, strict=True), known)
        case MappingType(), MappingType():
            if argument.properties.keys() != parameter.properties.keys():
                return False
            pairs = ((part, parameter.properties[n]) for n, part in argument.properties.items())
            return _all_fit(pairs, known)
        case MappingType(), KeyedMappingType():
            values = argument.properties.values()
            return parameter.key == STRING and _all_fit(zip(values, repeat(parameter.value)), known)
        case KeyedMappingType(), KeyedMappingType():
            return _fits(argument.key, parameter.key, known) and _fits(
                argument.value, parameter.value, known
            )
        case _:
            return False


def _all_fit(pairs: Iterable[tuple[Type, Type]], known: _Known) -> bool:
    return all(_fits(argument, parameter, known) for argument, parameter in pairs)
