"""Types as values: equality, hashing and canonical definitions.

Named types are equal when their names and kinds are, anonymous ones when their structures
are. The identity of a type is computed once, when it is made, from those of its parts, so
that comparing stays cheap however deep a type is.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar


class Type:
    """A type of the description language; immutable.

    Attributes:
        name: Its name; None for an anonymous type.
    """

    __slots__ = ("_hash", "_identity", "name")
    kind: ClassVar[str] = ""
    name: str | None
    _identity: tuple[object, object]
    _hash: int

    def __init__(self, name: str | None, structure: object) -> None:
        # All structured types share one kind of name: a list and a tuple of one name
        # cannot meet in one description, and Dioptra does not tell them apart.
        identity = (self.kind, name) if name is not None else (type(self), structure)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "_identity", identity)
        object.__setattr__(self, "_hash", hash(identity))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A type is immutable; {name!r} cannot be set.")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Type) or self._hash != other._hash:
            return False
        return self._identity == other._identity

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __str__(self) -> str:
        definition = self.definition
        return definition if isinstance(definition, str) else json.dumps(definition)

    @property
    def definition(self) -> Any:
        """Its name, or its canonical inline definition."""
        return self.name if self.name is not None else self.structure

    @property
    def structure(self) -> Any:
        """The definition that makes it, whether it is named or not."""
        raise NotImplementedError


class SimpleType(Type):
    """A type without parts; always named.

    Attributes:
        name: Its name.
        supertype: What it is a subtype of, if anything.
    """

    __slots__ = ("supertype",)
    kind = "simple"
    name: str
    supertype: "SimpleType | None"

    def __init__(self, name: str, supertype: "SimpleType | None" = None) -> None:
        object.__setattr__(self, "supertype", supertype)
        super().__init__(name, None)

    @property
    def structure(self) -> Any:
        """`None`, or what it is a subtype of."""
        return None if self.supertype is None else {"is_a": self.supertype.name}

    def lineage(self) -> list["SimpleType"]:
        """Itself, its supertype, and so on up."""
        found: list[SimpleType] = []
        current: SimpleType | None = self
        while current is not None:
            found.append(current)
            current = current.supertype
        return found


class StructuredType(Type):
    """A list, a tuple or a mapping."""

    __slots__ = ()
    kind = "structured"


class ListType(StructuredType):
    """Any number of elements of one type."""

    __slots__ = ("element",)
    element: Type

    def __init__(self, element: Type, name: str | None = None) -> None:
        object.__setattr__(self, "element", element)
        super().__init__(name, element)

    @property
    def structure(self) -> Any:
        """`{"list": T}`."""
        return {"list": self.element.definition}


class TupleType(StructuredType):
    """A fixed number of elements, each of its own type."""

    __slots__ = ("elements",)
    elements: tuple[Type, ...]

    def __init__(self, elements: Iterable[Type], name: str | None = None) -> None:
        object.__setattr__(self, "elements", tuple(elements))
        super().__init__(name, self.elements)

    @property
    def structure(self) -> Any:
        """`{"tuple": [T, ...]}`."""
        return {"tuple": [element.definition for element in self.elements]}


class MappingType(StructuredType):
    """A mapping with exactly these properties."""

    __slots__ = ("properties",)
    properties: Mapping[str, Type]

    def __init__(self, properties: Mapping[str, Type], name: str | None = None) -> None:
        object.__setattr__(self, "properties", dict(properties))
        super().__init__(name, frozenset(self.properties.items()))

    @property
    def structure(self) -> Any:
        """`{"mapping": {property: T, ...}}`."""
        return {"mapping": {name: part.definition for name, part in self.properties.items()}}


class KeyedMappingType(StructuredType):
    """A mapping with any keys of one type and values of another."""

    __slots__ = ("key", "value")
    key: Type
    value: Type

    def __init__(self, key: Type, value: Type, name: str | None = None) -> None:
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "value", value)
        super().__init__(name, (key, value))

    @property
    def structure(self) -> Any:
        """`{"mapping": [K, V]}`."""
        return {"mapping": [self.key.definition, self.value.definition]}


class UnionType(Type):
    """A value of any of the member types.

    Attributes:
        members: Each once, in the order of first mention.
    """

    __slots__ = ("members",)
    kind = "union"
    members: tuple[Type, ...]

    def __init__(self, members: Iterable[Type], name: str | None = None) -> None:
        object.__setattr__(self, "members", tuple(dict.fromkeys(members)))
        super().__init__(name, frozenset(self.members))

    @property
    def structure(self) -> Any:
        """`{"union": [T, ...]}`, sorted by JSON text, for the order means nothing."""
        members = [member.definition for member in self.members]
        return {"union": sorted(members, key=lambda part: json.dumps(part, sort_keys=True))}

    def leaves(self) -> tuple[Type, ...]:
        """The members, with unions among them replaced by theirs, each once."""
        found: dict[Type, None] = {}
        seen: set[int] = {id(self)}
        pending: list[Type] = list(reversed(self.members))
        while pending:
            member = pending.pop()
            if not isinstance(member, UnionType):
                found[member] = None
            elif id(member) not in seen:
                seen.add(id(member))
                pending.extend(reversed(member.members))
        return tuple(found)


STRING = SimpleType("string")
NUMBER = SimpleType("number")
INTEGER = SimpleType("integer", NUMBER)
BOOLEAN = SimpleType("boolean")
NULL = SimpleType("null")
ANY = SimpleType("any")

BUILTIN_TYPES: Mapping[str, SimpleType] = {
    builtin.name: builtin for builtin in (STRING, INTEGER, NUMBER, BOOLEAN, NULL, ANY)
}
