"""YAML 1.1 as PyYAML's safe loader reads it, from hostile sources.

Depth, size, aliases and the length of numbers are bounded while the text is read, repeated
keys are reported and not silently dropped, and every part remembers where it was written.
libyaml does the parsing where it is there, for it is several times faster; what it refuses
is read again by PyYAML's own parser, whose verdict is Dioptra's.
"""

import re
from collections.abc import Generator, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from yaml.composer import Composer
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import Resolver
from yaml.scanner import Scanner

from dioptra_ray.language.issues import Issue
from dioptra_ray.language.limits import MAX_DEPTH, MAX_SCALAR, MAX_VALUES
from dioptra_ray.language.positions import Locate, Spot

try:
    from yaml._yaml import CParser
except ImportError:  # pragma: no cover - PyYAML built without libyaml
    CParser = None  # type: ignore[assignment,misc]

# Texts that libyaml refuses are parsed again up to this size: PyYAML is slow.
_SECOND_OPINION = 256 * 1024
# Tags and tabs, of which libyaml and PyYAML have different views.
_DISPUTED = re.compile(r"(?:^|[\s,:\[{-])!|\t")
_LONG_SCALARS = ("int", "float", "timestamp")


def _nowhere() -> Spot | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a text holds.

    Attributes:
        value: Its value; None when it cannot be read.
        locate: Finds where its parts are; gives None when nothing is known.
        issues: What is wrong with the text; the value is unusable when there are any.
    """

    value: Any = None
    locate: Locate = _nowhere
    issues: tuple[Issue, ...] = ()


def read_yaml(text: str, *, file: str | None = None) -> Document:
    """Read one YAML document; never raises."""
    unprintable = Reader.NON_PRINTABLE.search(text)
    if unprintable is not None:
        return Document(issues=(_unprintable(text, unprintable.start(), file),))
    if CParser is None or (len(text) <= _SECOND_OPINION and _DISPUTED.search(text)):
        return _read(_PlainLoader(text), file)
    document = _read(_FastLoader(text), file)
    needs_second = any(issue.code == "syntax.invalid" for issue in document.issues)
    if needs_second and len(text) <= _SECOND_OPINION:
        return _read(_PlainLoader(text), file)
    return document


class _Refusal(yaml.MarkedYAMLError):
    """A limit was reached."""

    def __init__(self, code: str, message: str, mark: Any) -> None:
        super().__init__(None, None, message, mark)
        self.code = code
        self.message = message


class _Bounded(Composer, SafeConstructor, Resolver):
    """Composes and constructs with limits; a parser is mixed in below."""

    if TYPE_CHECKING:

        def peek_event(self) -> Any: ...
        def check_event(self, *choices: Any) -> bool: ...

    def _prepare(self) -> None:
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
        self.problems: list[tuple[str, str, Any]] = []
        self.entries: dict[int, list[tuple[Any, Any, Node]]] = {}
        self._depth = 0
        self._sizes: dict[int, tuple[int, int]] = {}

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        mark = self.peek_event().start_mark
        is_alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        self._check(self._depth, 0, mark)
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        if node is None:
            return None
        if not is_alias:
            self._sizes[id(node)] = self._measure(node)
        elif id(node) not in self._sizes:
            raise _Refusal("syntax.alias", "An alias stands inside what it is an alias of.", mark)
        size, height = self._sizes[id(node)]
        self._check(self._depth + height, size, mark)
        return node

    def _measure(self, node: Node) -> tuple[int, int]:
        """How many values a node stands for once its aliases are repeated, and how deep."""
        if isinstance(node, MappingNode):
            parts = [self._sizes[id(part)] for pair in node.value for part in pair]
        elif isinstance(node, SequenceNode):
            parts = [self._sizes[id(part)] for part in node.value]
        else:
            return 1, 1
        return 1 + sum(part[0] for part in parts), 1 + max((part[1] for part in parts), default=0)

    def _check(self, depth: int, size: int, mark: Any) -> None:
        # A scalar inside MAX_DEPTH collections is fine, hence one more.
        if depth > MAX_DEPTH + 1:
            problem = f"This is nested more than {MAX_DEPTH} levels deep."
            raise _Refusal("syntax.too_deep", problem, mark)
        if size > MAX_VALUES:
            problem = f"Here the text comes to more than {MAX_VALUES} values, aliases repeated."
            raise _Refusal("syntax.too_large", problem, mark)

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        if isinstance(node, ScalarNode) and _is_too_long(node):
            self.problems.append(
                ("syntax.value", f"A number or a date of {len(node.value)} characters.", node)
            )
            return None
        try:
            value = super().construct_object(node, deep)
        except yaml.MarkedYAMLError as error:
            self.problems.append(("syntax.value", _sentence(error), node))
        except (ValueError, KeyError, AttributeError, TypeError, OverflowError) as error:
            self.problems.append(("syntax.value", _unreadable(node, error), node))
        else:
            if isinstance(value, str) and not is_text(value):
                message = "This text has half of a surrogate pair, which is no character."
                self.problems.append(("syntax.value", message, node))
            return value
        return None

    def construct_mapping(self, node: Node, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, MappingNode):
            raise ConstructorError(None, None, "A mapping was expected here.", node.start_mark)
        self._report_repeated(node)
        self.flatten_mapping(node)
        mapping: dict[Any, Any] = {}
        entries = self.entries[id(node)] = []
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                message = (
                    "A list or a mapping cannot be a key. If this is {{ text }} with braces, "
                    "put it in quotes."
                )
                self.problems.append(("syntax.value", message, key_node))
                continue
            mapping[key] = self.construct_object(value_node, deep=deep)
            entries.append((key, key_node.start_mark, value_node))
        return mapping

    def _report_repeated(self, node: MappingNode) -> None:
        seen: dict[Any, Any] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            # A plain "=" has a tag of its own, which PyYAML takes back when it is a key.
            is_equals = key_node.tag == "tag:yaml.org,2002:value"
            key = key_node.value if is_equals else self.construct_object(key_node, deep=True)
            if key in seen:
                message = (
                    f"The key {key!r} is here again; it was already given in line {seen[key]}."
                )
                self.problems.append(("syntax.duplicate_key", message, key_node))
            else:
                seen[key] = key_node.start_mark.line + 1

    def construct_yaml_map(self, node: Node) -> Generator[dict[Any, Any], None, None]:
        """As PyYAML's, but a broken mapping is a problem like any other."""
        data: dict[Any, Any] = {}
        yield data
        try:
            data.update(self.construct_mapping(node))
        except yaml.MarkedYAMLError as error:
            self.problems.append(("syntax.value", _sentence(error), node))


_Bounded.add_constructor("tag:yaml.org,2002:map", _Bounded.construct_yaml_map)  # type: ignore[type-var]


class _PlainLoader(Reader, Scanner, Parser, _Bounded):
    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        self._prepare()


if CParser is not None:

    class _FastLoader(_Bounded, CParser):
        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            self._prepare()


def _read(loader: Any, file: str | None) -> Document:
    try:
        node = loader.get_single_node()
        value = None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        return Document(issues=(_broken(error, file),))
    if loader.problems:
        problems = dict.fromkeys(
            (code, message, node.start_mark.line, node.start_mark.column)
            for code, message, node in loader.problems
        )
        return Document(
            issues=tuple(
                _placed(code, message, (line + 1, column + 1), file)
                for code, message, line, column in problems
            )
        )
    if node is None:
        return Document()
    entries = loader.entries
    return Document(value=value, locate=lambda: _spot(node, entries, {}))


def _broken(error: Exception, file: str | None) -> Issue:
    if isinstance(error, _Refusal):
        return _issue(error.code, error.message, error.problem_mark, file)
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return _issue("syntax.invalid", _sentence(error), mark, file)
    if isinstance(error, yaml.YAMLError):
        return _issue("syntax.invalid", f"Not valid YAML: {error}.", None, file)
    # PyYAML reads the numbers of %YAML directives and of \U escapes without a check.
    message = "Not valid YAML: a number in a directive or an escape is out of range."
    return _placed("syntax.invalid", message, (1, 1), file)


def is_text(value: str) -> bool:
    """Whether a string can be written anywhere: escapes can make ones that cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _spot(
    node: Node, entries: dict[int, list[tuple[Any, Any, Node]]], made: dict[int, Spot]
) -> Spot:
    known = made.get(id(node))
    if known is not None:
        return known
    spot = made[id(node)] = Spot(_position(node.start_mark))
    if isinstance(node, SequenceNode):
        for index, part in enumerate(node.value):
            inner = _spot(part, entries, made)
            spot.parts[index] = (inner.position, inner)
    for key, mark, part in entries.get(id(node), ()):
        spot.parts[key] = (_position(mark), _spot(part, entries, made))
    return spot


def _is_too_long(node: ScalarNode) -> bool:
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    return kind in _LONG_SCALARS and len(node.value) > MAX_SCALAR


def _position(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _issue(code: str, message: str, mark: Any, file: str | None) -> Issue:
    return _placed(code, message, None if mark is None else _position(mark), file)


def _placed(code: str, message: str, position: tuple[int, int] | None, file: str | None) -> Issue:
    line, column = position or (None, None)
    return Issue(severity="error", code=code, message=message, line=line, column=column, file=file)


def _sentence(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem or "it cannot be parsed")
    if "'\\t'" in problem or "tab" in problem.split():
        return "Not valid YAML: a tab cannot be used for indentation; use spaces."
    if "could not determine a constructor" in problem:
        return f"This tag is not supported: {problem.rpartition(' ')[2]}."
    if "another document" in problem:
        return "A text holds one document; here a second one begins."
    context = f" {error.context}" if error.context else ""
    return f"Not valid YAML{context}: {problem}."


def _unreadable(node: Node, error: Exception) -> str:
    kind = node.tag.rpartition(":")[2]
    text = node.value if isinstance(node, ScalarNode) else "this value"
    shown = text if len(text) <= MAX_DEPTH else text[:MAX_DEPTH] + "..."
    reason = f" ({error})" if isinstance(error, ValueError) else ""
    return f"{shown!r} is read as a {kind} and is not one{reason}; quote it if it is text."


def _unprintable(text: str, index: int, file: str | None) -> Issue:
    before = text[:index]
    line_start = max(before.rfind("\n"), before.rfind("\r")) + 1
    line = before.count("\n") + before.replace("\r\n", "").count("\r") + 1
    message = f"The character U+{ord(text[index]):04X} is not allowed in a text; remove it."
    return _placed("syntax.character", message, (line, index - line_start + 1), file)
