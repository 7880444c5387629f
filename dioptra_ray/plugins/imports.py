"""Which names in a module mean a given import, without running it.

Plugins may write `from dioptra import pyplugs as p`, `import dioptra.pyplugs`, and so on.
An `ImportScope` follows the import statements seen so far; two spellings mean the same
thing when they lead to the same node. It knows only what imports mention: assignments,
star imports and relative imports bind nothing.
"""

import ast
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class _Node:
    """Something importable; aliases share one node, so identity is meaning."""

    members: dict[str, "_Node"] = field(default_factory=dict)

    def member(self, name: str) -> "_Node":
        return self.members.setdefault(name, _Node())


@dataclass(slots=True)
class ImportScope:
    """The names that a module's imports have bound so far."""

    _root: _Node = field(default_factory=_Node)

    def read(self, statement: ast.Import | ast.ImportFrom) -> None:
        """Take in one import statement."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                node = self._mention(alias.name)
                if alias.asname:
                    self._root.members[alias.asname] = node
        elif statement.level == 0 and statement.module:
            module = self._mention(statement.module)
            for alias in statement.names:
                self._root.members[alias.asname or alias.name] = module.member(alias.name)

    def means(self, name: str, target: str) -> bool:
        """Whether the dotted `name` is `target`, or a member of the module that holds it."""
        if self._same(name, target):
            return True
        module, _, member = target.rpartition(".")
        prefix, _, last = name.rpartition(".")
        return bool(prefix) and last == member and self._same(prefix, module)

    def _mention(self, dotted: str) -> _Node:
        node = self._root
        for part in dotted.split("."):
            node = node.member(part)
        return node

    def _find(self, dotted: str) -> _Node | None:
        node: _Node | None = self._root
        for part in dotted.split("."):
            node = node.members.get(part) if node else None
        return node

    def _same(self, one: str, other: str) -> bool:
        found = self._find(one)
        return found is not None and found is self._find(other)


def dotted_name(node: ast.expr) -> str | None:
    """`a.b.c` for such an expression, None for any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])
