"""Type hints to parameter types.

`suggest` gives the type name that Dioptra's signature analysis suggests for a hint;
`define` goes further and says what the hint means in the type language, so that a task
that nobody registered by hand is still checked. Neither evaluates anything.
"""

import ast
import re
from collections.abc import Callable
from typing import Any, Final

from dioptra_ray.plugins.imports import dotted_name

BUILTIN_TYPES: Final = frozenset({"any", "boolean", "integer", "null", "number", "string"})
"""The parameter types that need no declaration."""

_PYTHON_NAMES: Final = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "None": "null",
}


def suggest(annotation: ast.expr) -> str | None:
    """Dioptra's name for the type of a hint; None when the hint gives no usable name."""
    text = _spelling(annotation)
    if text is None:
        return None
    name = text.strip().lower().replace(" ", "")
    name = re.sub(r"_+", "_", re.sub(r"\W+", "_", name)).strip("_")
    name = _PYTHON_NAMES.get(name, name)
    return name if name and name[0].isalpha() else None


def _spelling(annotation: ast.expr) -> str | None:
    match annotation:
        case ast.Constant(value=None):
            return "null"
        case ast.Constant(value=str(text)):
            return text
        case ast.Subscript() | ast.BinOp():
            return ast.unparse(annotation)
    return ast.unparse(annotation) if dotted_name(annotation) else None


Definition = str | dict[str, Any]
"""A type name, or an inline definition of the type language."""

_WRAPPERS: Final = frozenset({"Annotated", "Final", "Required", "NotRequired", "ReadOnly"})
_BARE: Final[dict[str, Definition]] = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "Any": "any",
    "object": "any",
    **{name: {"list": "any"} for name in ("list", "List", "Sequence")},
    **dict.fromkeys(("tuple", "Tuple", "dict", "Dict", "Mapping", "MutableMapping"), "any"),
}


def define(annotation: ast.expr, name_class: Callable[[str], str]) -> Definition:
    """What a hint means in the type language.

    `name_class` gives the type name for a class, written as in the source ("pd.DataFrame").
    What the language cannot say is `any`.
    """
    match annotation:
        case ast.Constant(value=None):
            return "null"
        case ast.Constant(value=str(text)):
            return _define_text(text, name_class)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union([define(left, name_class), define(right, name_class)])
        case ast.Subscript(value=origin, slice=arguments):
            return _define_generic(origin, _elements(arguments), name_class)
    name = dotted_name(annotation)
    if name is None:
        return "any"
    return _BARE.get(_typing_name(name)) or name_class(name)


def split_tuple(annotation: str) -> tuple[str, ...]:
    """The members of a hint for a tuple of fixed length, as source text.

    A hint for anything else, a tuple of one or of any length included, is its only member.
    """
    try:
        hint = ast.parse(annotation.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return (annotation,)
    match hint:
        case ast.Constant(value=str(text)) if text != annotation:
            return split_tuple(text)
        case ast.Subscript(value=origin, slice=arguments):
            name = _typing_name(dotted_name(origin) or "")
            members = _elements(arguments)
            if name in _WRAPPERS:
                return split_tuple(ast.unparse(members[0]))
            several = len(members) > 1 and not any(map(_is_ellipsis, members))
            if name in {"tuple", "Tuple"} and several:
                return tuple(map(ast.unparse, members))
    return (annotation,)


def _define_text(text: str, name_class: Callable[[str], str]) -> Definition:
    try:
        parsed = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return "any"
    return (
        "any"
        if isinstance(parsed, ast.Constant) and parsed.value == text
        else define(parsed, name_class)
    )


def _define_generic(
    origin: ast.expr, arguments: list[ast.expr], name_class: Callable[[str], str]
) -> Definition:
    spelled = dotted_name(origin)
    if spelled is None or not arguments:
        return "any"
    name = _typing_name(spelled)
    if name in _WRAPPERS:
        return define(arguments[0], name_class)
    if name == "Literal":
        return _union([_literal_type(argument) for argument in arguments])
    inner = [define(argument, name_class) for argument in arguments if not _is_ellipsis(argument)]
    if name in _STRUCTURES:
        return _STRUCTURES[name](inner, len(inner) < len(arguments))
    # A generic class such as `np.ndarray[...]` or `Dataset[int]` is known by its class.
    return name_class(spelled)


def _list(inner: list[Definition], _: bool) -> Definition:
    return {"list": inner[0]} if inner else "any"


def _tuple(inner: list[Definition], is_open: bool) -> Definition:
    return _list(inner, is_open) if is_open else {"tuple": inner}


def _mapping(inner: list[Definition], _: bool) -> Definition:
    fits = len(inner) == 2 and inner[0] in ("string", "integer")  # noqa: PLR2004 - key, value
    return {"mapping": inner} if fits else "any"


_STRUCTURES: Final[dict[str, Callable[[list[Definition], bool], Definition]]] = {
    **dict.fromkeys(("list", "List", "Sequence", "MutableSequence"), _list),
    **dict.fromkeys(("tuple", "Tuple"), _tuple),
    **dict.fromkeys(("dict", "Dict", "Mapping", "MutableMapping"), _mapping),
    "Optional": lambda inner, _: _union([*inner, "null"]),
    "Union": lambda inner, _: _union(inner),
}
_LITERALS: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    str: "string",
    float: "number",
    type(None): "null",
}


def _literal_type(argument: ast.expr) -> Definition:
    value = argument.value if isinstance(argument, ast.Constant) else ...
    return _LITERALS.get(type(value), "any")


def _typing_name(name: str) -> str:
    prefix, _, last = name.rpartition(".")
    return last if prefix in {"", "typing", "t", "collections.abc", "builtins"} else name


def _elements(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _union(members: list[Definition]) -> Definition:
    flat: list[Definition] = []
    for member in members:
        nested = member["union"] if isinstance(member, dict) and "union" in member else [member]
        flat.extend(one for one in nested if one not in flat)
    if "any" in flat:
        return "any"
    return flat[0] if len(flat) == 1 else {"union": flat}
