"""What the modules of a plugin set import from outside of it, found without running them."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

# They start threads, or are there already.
_NEVER = frozenset({"dioptra", "dioptra_ray", "dioptra_workers", "grpc", "ray"})


def heavy_imports(root: Path) -> tuple[str, ...]:
    """The installed modules that a plugin set imports when it is imported, sorted.

    Args:
        root: Holds one folder a plugin, named as it is imported.
    """
    own = {entry.stem for entry in root.iterdir()}
    found: set[str] = set()
    for file in root.rglob("*.py"):
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue  # the stage will say so
        found.update(_imported(tree.body))
    skipped = own | _NEVER | sys.stdlib_module_names
    return tuple(sorted(name for name in found if name.partition(".")[0] not in skipped))


def _imported(body: list[ast.stmt]) -> Iterator[str]:
    """What statements at the top of a module import, those in its conditions included."""
    for statement in body:
        match statement:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
            case ast.Try() | ast.If():
                yield from _imported(statement.body)
                yield from _imported(statement.orelse)
