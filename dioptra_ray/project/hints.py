"""Types for tasks that nobody registered by hand, made from their type hints.

A class becomes a simple type, `list[int]` a list type, and so on, so that such tasks are
checked like registered ones. A declared type of the same name always wins.
"""

import ast
import re
from collections.abc import Container
from typing import Any

from dioptra_ray.plugins.annotations import BUILTIN_TYPES, Definition, define, suggest


class HintTypes:
    """Parameter types for hints; collects those that are not declared anywhere."""

    def __init__(self, declared: Container[str]) -> None:
        self._declared = declared
        self.made: dict[str, Definition | None] = {}

    def name(self, hint: str | None) -> str:
        """The type name for a hint as written; `any` without one."""
        if hint is None:
            return "any"
        if hint in self._declared:
            return hint
        annotation = ast.parse(hint, mode="eval").body
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            unquoted = annotation.value.strip()
            return self.name(unquoted) if _is_expression(unquoted) else "any"
        suggested = suggest(annotation)
        if suggested is not None and suggested in self._declared:
            return suggested
        definition = define(annotation, self._name_class)
        if isinstance(definition, str):
            return definition
        name = _spell(definition)
        if name not in self._declared:
            self.made[name] = definition
        return name

    def _name_class(self, name: str) -> str:
        if name in self._declared or name in BUILTIN_TYPES:
            return name
        suggested = suggest(ast.parse(name, mode="eval").body)
        if suggested is None:
            return "any"
        if suggested not in self._declared and suggested not in BUILTIN_TYPES:
            self.made.setdefault(suggested)
        return suggested


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True


def _spell(definition: Any) -> str:
    """A name that is equal for equal definitions, such as "list_integer"."""
    if isinstance(definition, str):
        return re.sub(r"\W+", "_", definition)
    ((kind, parts),) = definition.items()
    inner = parts if isinstance(parts, list) else [parts]
    return "_".join([kind, *map(_spell, inner)])
