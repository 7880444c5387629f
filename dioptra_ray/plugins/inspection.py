"""Finding all that code can change in a module's globals.

A module is taken apart once, when it was imported. Whatever cannot hold state is passed
over; what can be put back is listed for that; the rest, and whatever is in doubt, makes
the module stateful: then only importing it again gives its first state.
"""

from types import ModuleType
from typing import Any

from dioptra_ray.plugins.findings import Findings, Inspection, TooLargeError
from dioptra_ray.plugins.ownership import ATOMS, Owns, home_of
from dioptra_ray.plugins.restoring import Namespace
from dioptra_ray.plugins.visits import atom_text, visit_other, visits

_MACHINERY = frozenset(
    {"__builtins__", "__cached__", "__doc__", "__file__", "__loader__", "__name__"}
    | {"__package__", "__path__", "__spec__", "__warningregistry__"}
)


def inspect_module(module: ModuleType, owns: Owns) -> Inspection:
    """Take a module apart, right after its import."""
    inspector = _Inspector(module, owns)
    findings = inspector.findings
    try:
        for name, value in list(vars(module).items()):
            if name not in _MACHINERY:
                findings.place = name
                inspector.visit(name, value)
    except (TooLargeError, RecursionError):
        findings.doubt("holds too much to keep a copy of")
    findings.restorables.append(Namespace(module))
    return findings.inspection()


class _Inspector:
    """Goes from value to value, and to each one once."""

    def __init__(self, module: ModuleType, owns: Owns) -> None:
        self.findings = Findings()
        self.owns = owns
        self._module = module
        self._seen: dict[int, Any] = {}  # by id; keeping them keeps their ids theirs

    def visit(self, name: str, value: Any) -> None:
        kind = type(value)
        self.findings.say(f"{name}={kind.__qualname__}")
        if kind in ATOMS:
            self.findings.say(atom_text(value))
            return
        if self.is_new(value):
            visits.get(kind, visit_other)(self, name, value)

    def is_new(self, value: Any) -> bool:
        if id(value) in self._seen:
            return False
        self._seen[id(value)] = value
        return True

    def is_elsewhere(self, value: Any) -> bool:
        home = home_of(value)
        if home is None or home == self._module.__name__:
            return False
        self.findings.say(f"{home}.{value.__qualname__}")
        return True
