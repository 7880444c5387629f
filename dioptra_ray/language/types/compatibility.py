"""Which types fit where (semantics section 2.4), and what types have in common.

Unions are flattened first. That changes no answer: a union fits when each of its leaves
does, and something fits a union when it fits one of its leaves.
"""

from collections.abc import Iterable
from itertools import repeat
from typing import Final

from dioptra_ray.language.types.errors import TypesTooLargeError
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

MAX_DECISIONS: Final = 2_000_000
"""Pairs of types that one comparer decides about: descriptions may be hostile."""


def is_compatible(argument: Type, parameter: Type) -> bool:
    """May an argument of type `argument` go where `parameter` is declared?

    Raises:
        TypesTooLargeError: The types are too large to be compared.
    """
    return Comparer().fits(argument, parameter)


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


class Comparer:
    """Compares the types of one description, each pair once, however often it is asked."""

    def __init__(self) -> None:
        self._known: dict[tuple[Type, Type], bool] = {}
        self._leaves: dict[UnionType, dict[Type, None]] = {}
        self._left = MAX_DECISIONS

    def fits(self, argument: Type, parameter: Type) -> bool:
        """As `is_compatible`."""
        if parameter in (ANY, argument):
            return True
        pair = (argument, parameter)
        answer = self._known.get(pair)
        if answer is None:
            self._charge(1)
            answer = self._known[pair] = self._decide(argument, parameter)
        return answer

    def _decide(self, argument: Type, parameter: Type) -> bool:
        if isinstance(argument, UnionType):
            return all(self.fits(leaf, parameter) for leaf in self._leaves_of(argument))
        if isinstance(parameter, UnionType):
            return self._fits_union(argument, self._leaves_of(parameter))
        if isinstance(argument, SimpleType) and isinstance(parameter, SimpleType):
            return parameter in argument.lineage()
        if isinstance(argument, StructuredType) and isinstance(parameter, StructuredType):
            both_named = argument.name is not None and parameter.name is not None
            return not both_named and self._structures_fit(argument, parameter)
        return False

    def _fits_union(self, argument: Type, leaves: dict[Type, None]) -> bool:
        if ANY in leaves or argument in leaves:
            return True
        if isinstance(argument, SimpleType):
            return any(above in leaves for above in argument.lineage())
        return any(self.fits(argument, leaf) for leaf in leaves if isinstance(leaf, StructuredType))

    def _structures_fit(self, argument: Type, parameter: Type) -> bool:  # noqa: PLR0911 - one answer per pair of kinds
        match argument, parameter:
            case TupleType(), ListType():
                return self._all_fit(zip(argument.elements, repeat(parameter.element)))
            case ListType(), ListType():
                return self.fits(argument.element, parameter.element)
            case TupleType(), TupleType():
                if len(argument.elements) != len(parameter.elements):
                    return False
                return self._all_fit(zip(argument.elements, parameter.elements, strict=True))
            case MappingType(), MappingType():
                if argument.properties.keys() != parameter.properties.keys():
                    return False
                return self._all_fit(
                    (part, parameter.properties[name]) for name, part in argument.properties.items()
                )
            case MappingType(), KeyedMappingType():
                values = argument.properties.values()
                return parameter.key == STRING and self._all_fit(
                    zip(values, repeat(parameter.value))
                )
            case KeyedMappingType(), KeyedMappingType():
                return self.fits(argument.key, parameter.key) and self.fits(
                    argument.value, parameter.value
                )
            case _:
                return False

    def _all_fit(self, pairs: Iterable[tuple[Type, Type]]) -> bool:
        for argument, parameter in pairs:
            self._charge(1)
            if not self.fits(argument, parameter):
                return False
        return True

    def _leaves_of(self, union: UnionType) -> dict[Type, None]:
        found = self._leaves.get(union)
        if found is None:
            found = self._leaves[union] = dict.fromkeys(union.leaves())
            self._charge(len(found))
        return found

    def _charge(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise TypesTooLargeError(
                "The types are too large to be compared: use fewer members in unions, or name "
                "the structures that repeat."
            )
