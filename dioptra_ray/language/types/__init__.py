"""The type language: what may be passed where.

build_types    definitions -> types by name, built-ins included
parse_type     a name or an inline definition -> type
infer          a Python value -> its type
is_compatible  may an argument of this type go where that type is declared?
"""

from dioptra_ray.language.types.building import build_types, parse_type, referenced_names
from dioptra_ray.language.types.compatibility import common_base, is_compatible
from dioptra_ray.language.types.errors import TypeDefinitionError
from dioptra_ray.language.types.inference import infer
from dioptra_ray.language.types.model import (
    BUILTIN_TYPES,
    KeyedMappingType,
    ListType,
    MappingType,
    SimpleType,
    TupleType,
    Type,
    UnionType,
)

__all__ = [
    "BUILTIN_TYPES",
    "KeyedMappingType",
    "ListType",
    "MappingType",
    "SimpleType",
    "TupleType",
    "Type",
    "TypeDefinitionError",
    "UnionType",
    "build_types",
    "common_base",
    "infer",
    "is_compatible",
    "parse_type",
    "referenced_names",
]
