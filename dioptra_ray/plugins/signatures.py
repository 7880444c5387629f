"""What a plugin file defines, read from its source without running it.

Dioptra analyzes the signatures of registered functions to suggest types; `analyze` reports
the same functions, inputs, outputs and suggestions, and also what we need to run them:
artifact task classes, positions, parameter kinds and resource declarations.
"""

import ast
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.language.issues import Issue
from dioptra_ray.planning.declarations import FIELDS, NOTHING, Declaration, read_declaration
from dioptra_ray.plugins.annotations import BUILTIN_TYPES, suggest
from dioptra_ray.plugins.imports import ImportScope, dotted_name

InputKind = Literal["positional_only", "positional_or_keyword", "keyword_only"]

REGISTER: Final = ("dioptra.pyplugs.register", "dioptra_ray.pyplugs.register")
INTERFACE: Final = (
    "dioptra.sdk.api.artifact.ArtifactTaskInterface",
    "dioptra_ray.artifact.ArtifactTaskInterface",
    "dioptra_ray.ArtifactTaskInterface",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSignature:
    """One parameter of a function.

    Attributes:
        name: Its name.
        type: The type name that Dioptra suggests.
        required: Whether a call must give it.
        kind: How a call may give it.
        annotation: Its hint as written; None without one.
    """

    name: str
    type: str
    required: bool
    kind: InputKind
    annotation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSignature:
    """What a function returns, as one output.

    Attributes:
        name: Always "output": Python does not name results.
        type: The type name that Dioptra suggests.
        annotation: The return hint as written.
    """

    name: str = "output"
    type: str
    annotation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingType:
    """A suggested type name that is not built in, with the hint it was made from."""

    name: str
    annotation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSignature:
    """A registered function.

    Attributes:
        name: Function name.
        line: Line of its `def`, from 1.
        inputs: Parameters in the order of the signature, without *args and **kwargs.
        outputs: One output when it has a return hint other than None, else none.
        missing_types: Non-built-in types that it mentions, in Dioptra's order.
        declaration: What `@register(...)` says about resources, as far as it is literal.
        has_var_positional: Whether it takes *args.
        has_var_keyword: Whether it takes **kwargs.
    """

    name: str
    line: int
    inputs: tuple[InputSignature, ...] = ()
    outputs: tuple[OutputSignature, ...] = ()
    missing_types: tuple[MissingType, ...] = ()
    declaration: Declaration = NOTHING
    has_var_positional: bool = False
    has_var_keyword: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactClass:
    """A class that turns objects into files and back.

    Attributes:
        name: Class name.
        line: Line of its `class`, from 1.
        outputs: What `deserialize` returns; without a hint one output of type any.
        argument_schema: JSON-schema properties that `validation` returns, if literal.
    """

    name: str
    line: int
    outputs: tuple[OutputSignature, ...] = ()
    argument_schema: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSignatures:
    """What one file defines, and what is wrong with it.

    Attributes:
        functions: Registered functions, in source order; redefinitions are listed again.
        artifact_classes: Artifact task classes, in source order.
        definitions: Line of each other thing that the file binds to a name at its top
            level, for messages about what is there but not registered.
        issues: Problems, each with file, line and column.
    """

    functions: tuple[FunctionSignature, ...] = ()
    artifact_classes: tuple[ArtifactClass, ...] = ()
    definitions: dict[str, int] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()


def analyze(source: str, *, file: str) -> ModuleSignatures:
    """Read the source of one plugin file; never raises for what the source holds."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            module = ast.parse(source, filename=file)
        return _Analysis(file).run(module)
    except SyntaxError as error:
        return ModuleSignatures(issues=(_syntax_issue(error, file),))
    except (ValueError, RecursionError, MemoryError) as error:
        message = f"This is not Python source: {error or 'it is nested too deeply'}."
        return ModuleSignatures(issues=(_issue("python.syntax", message, file),))


class _Analysis:
    """One pass over the top level of a module, which knows the imports seen so far."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.scope = ImportScope()
        self.functions: list[FunctionSignature] = []
        self.classes: dict[str, ArtifactClass] = {}
        self.definitions: dict[str, int] = {}
        self.issues: list[Issue] = []

    def run(self, module: ast.Module) -> ModuleSignatures:
        for statement in module.body:
            match statement:
                case ast.Import() | ast.ImportFrom():
                    self.scope.read(statement)
                case ast.FunctionDef() if decorator := self._register_decorator(statement):
                    self.functions.append(self._function(statement, decorator))
                case ast.ClassDef() if base := self._artifact_base(statement):
                    self.classes[statement.name] = _artifact_class(statement, base)
                case _:
                    self.definitions.update(_bound_names(statement))
        return ModuleSignatures(
            functions=tuple(self.functions),
            artifact_classes=tuple(self.classes.values()),
            definitions=self.definitions,
            issues=tuple(self.issues),
        )

    def _register_decorator(self, function: ast.FunctionDef) -> ast.expr | None:
        for decorator in function.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = dotted_name(called)
            if name and any(self.scope.means(name, target) for target in REGISTER):
                return decorator
        return None

    def _artifact_base(self, definition: ast.ClassDef) -> ArtifactClass | None:
        """What makes a class an artifact task, if anything does."""
        for base in definition.bases:
            name = dotted_name(base)
            if name in self.classes:
                return self.classes[name]
            if name and any(self.scope.means(name, target) for target in INTERFACE):
                return _INTERFACE
        return None

    def _function(self, function: ast.FunctionDef, decorator: ast.expr) -> FunctionSignature:
        parameters = list(_parameters(function.args))
        returns = None if _is_none(function.returns) else function.returns
        hints = [argument.annotation for argument, _, _ in parameters]
        names, missing = _name_types([*hints, returns] if returns else hints)
        inputs = tuple(
            InputSignature(
                name=argument.arg,
                type=type_name,
                required=default is None,
                kind=kind,
                annotation=_unparse(argument.annotation),
            )
            for (argument, default, kind), type_name in zip(parameters, names, strict=False)
        )
        output = OutputSignature(type=names[-1], annotation=_unparse(returns)) if returns else None
        return FunctionSignature(
            name=function.name,
            line=function.lineno,
            inputs=inputs,
            outputs=(output,) if output else (),
            missing_types=missing,
            declaration=self._declaration(decorator),
            has_var_positional=function.args.vararg is not None,
            has_var_keyword=function.args.kwarg is not None,
        )

    def _declaration(self, decorator: ast.expr) -> Declaration:
        if not isinstance(decorator, ast.Call):
            return NOTHING
        values: dict[str, Any] = {}
        for keyword in decorator.keywords:
            if keyword.arg in FIELDS:
                try:
                    values[keyword.arg] = ast.literal_eval(keyword.value)
                except ValueError:
                    self._complain(
                        keyword.value,
                        "register.not_literal",
                        f"{keyword.arg}= must be a literal: the source is read, not run. "
                        "Write the value itself, or declare it in the registration.",
                    )
        try:
            return read_declaration(values)
        except InvalidRequestError as error:
            self._complain(decorator, "register.declaration", error.message)
            return NOTHING

    def _complain(self, node: ast.expr, code: str, message: str) -> None:
        self.issues.append(
            _issue(code, message, self.file, line=node.lineno, column=node.col_offset + 1)
        )


def _name_types(hints: Iterable[ast.expr | None]) -> tuple[list[str], tuple[MissingType, ...]]:
    """A type name for each hint, and the names that are not built in.

    Names taken from hints go first, so that a generated `type1` never meets a class of
    that name.
    """
    hints = list(hints)
    names = [suggest(hint) if hint else None for hint in hints]
    missing = {
        name: ast.unparse(hint)
        for name, hint in reversed(list(zip(names, hints, strict=True)))
        if name and hint and name not in BUILTIN_TYPES
    }
    missing = {name: missing[name] for name in names if name in missing}
    used = {name for name in names if name}
    generated: dict[str, str] = {}
    for index, hint in enumerate(hints):
        if names[index]:
            continue
        text = _unparse(hint)
        name = generated.get(text) if text is not None else None
        if name is None:
            name = next(free for free in _generated_names() if free not in used)
            used.add(name)
            if text is not None:
                generated[text] = name
                missing[name] = text
        names[index] = name
    return [name or "any" for name in names], tuple(
        MissingType(name=name, annotation=text) for name, text in missing.items()
    )


def _generated_names() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"type{number}"


def _parameters(
    arguments: ast.arguments,
) -> Iterator[tuple[ast.arg, ast.expr | None, InputKind]]:
    positional = [*arguments.posonlyargs, *arguments.args]
    required = len(positional) - len(arguments.defaults)
    defaults: list[ast.expr | None] = [*([None] * required), *arguments.defaults]
    for index, (argument, default) in enumerate(zip(positional, defaults, strict=True)):
        only = index < len(arguments.posonlyargs)
        yield argument, default, "positional_only" if only else "positional_or_keyword"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield argument, default, "keyword_only"


_INTERFACE: Final = ArtifactClass(
    name="ArtifactTaskInterface", line=0, outputs=(OutputSignature(type="any"),)
)


def _artifact_class(definition: ast.ClassDef, base: ArtifactClass) -> ArtifactClass:
    methods = {node.name: node for node in definition.body if isinstance(node, ast.FunctionDef)}
    outputs, schema = base.outputs, base.argument_schema
    if "deserialize" in methods:
        hint = methods["deserialize"].returns
        names, _ = _name_types([hint] if hint else [])
        type_name = names[0] if names else "any"
        outputs = (OutputSignature(type=type_name, annotation=_unparse(hint)),)
    if "validation" in methods:
        schema = _literal_return(methods["validation"])
    return ArtifactClass(
        name=definition.name, line=definition.lineno, outputs=outputs, argument_schema=schema
    )


def _literal_return(function: ast.FunctionDef) -> dict[str, Any] | None:
    returns = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
    if len(returns) != 1 or returns[0].value is None:
        return None
    try:
        value = ast.literal_eval(returns[0].value)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _bound_names(statement: ast.stmt) -> dict[str, int]:
    names: dict[str, int] = {}
    for node in ast.walk(statement):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                names.setdefault(name, node.lineno)
            case ast.Name(id=name, ctx=ast.Store()):
                names.setdefault(name, node.lineno)
    return names


def _unparse(node: ast.expr | None) -> str | None:
    return None if node is None else ast.unparse(node)


def _is_none(node: ast.expr | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


def _issue(
    code: str, message: str, file: str, *, line: int | None = None, column: int | None = None
) -> Issue:
    return Issue(severity="error", code=code, message=message, file=file, line=line, column=column)


def _syntax_issue(error: SyntaxError, file: str) -> Issue:
    message = f"This is not valid Python: {error.msg}."
    return _issue("python.syntax", message, file, line=error.lineno, column=error.offset)
