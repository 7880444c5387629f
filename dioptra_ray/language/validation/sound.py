"""What can be relied on in a description that has errors, so that the rest is still checked.

Where a problem was reported, nothing more is said about what only follows from it: a task that
is missing has no inputs to compare with, a step of unknown outputs none that a reference could
miss, a type that cannot be built none that a value does not fit.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from dioptra_ray.language.graph import Reference, find_references
from dioptra_ray.language.types import Type, TypeDefinitionError
from dioptra_ray.language.types.building import build_each
from dioptra_ray.language.validation import calls, references
from dioptra_ray.language.validation.findings import Finding
from dioptra_ray.language.validation.scope import Call, Keyword, Positional, Scope

_SECTIONS: Final = (
    "types",
    "parameters",
    "tasks",
    "graph",
    "artifact_inputs",
    "artifact_outputs",
)
_REQUIRED: Final = ("tasks", "graph")
_REFERRED: Final = ("graph", "parameters", "artifact_inputs")

_MOST_DOTS: Final = 100

# How YAML lets people write what is no text.
_TRUE: Final = ("true", "yes", "on", "y")
_FALSE: Final = ("false", "no", "off", "n")
_NULL: Final = ("null", "~")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsound:
    """What was left out of a description because its shape is wrong.

    Attributes:
        sections: Sections that are missing or no mappings: any name could be in them.
        names: (section, name) of entries.
    """

    sections: frozenset[str]
    names: frozenset[tuple[str, Any]]

    def has(self, section: str, name: Any) -> bool:
        """Whether an entry of this name may have been left out."""
        return section in self.sections or (section, name) in self.names


class SoundScope(Scope):
    """A description of which some parts are wrong; only the others are compared.

    Args:
        description: Any mapping.
        shape: What is wrong with its shape.
    """

    def __init__(self, description: Mapping[str, Any], shape: Iterable[Finding]) -> None:
        self.unsound = _find_unsound(description, shape)
        super().__init__(_without(description, self.unsound))
        self._spelled = {
            spelling
            for section in ("types", *_REFERRED)
            for name in self.description.get(section, {})
            if not isinstance(name, str)
            for spelling in _spellings(name)
        }
        self.types = _with_text_names(self.types)
        self.parameters = _with_text_names(self.parameters)
        self.graph = _with_text_names(self.graph)
        self._dotted = {name for name in (*self.parameters, *self.graph) if "." in name}
        self._typed: dict[Reference, bool] = {}

    @cached_property
    def known_calls(self) -> list[Call]:
        """The calls of tasks whose inputs are clear."""
        return [
            call
            for call in self.calls
            if call.task in self.tasks and _are_different(self.tasks[call.task].inputs)
        ]

    @cached_property
    def outcomes(self) -> dict[Any, list[Call]]:
        """As in `Scope`, without those whose outputs are not clear."""
        return {
            step: clear
            for step, found in super().outcomes.items()
            if (clear := [call for call in found if self._has_clear_outputs(call)])
        }

    @cached_property
    def type_errors(self) -> list[TypeDefinitionError]:
        """Why types cannot be built."""
        return self._built[1]

    @cached_property
    def built_types(self) -> dict[str, Type]:
        """The types that can be built, by name."""
        return self._built[0]

    @cached_property
    def _built(self) -> tuple[dict[str, Type], list[TypeDefinitionError]]:
        return build_each(self.types)

    def knows_type(self, name: Any) -> bool:
        """Whether a type of this name may be used, or may have been meant to be."""
        return super().knows_type(name) or self._may_be("types", name)

    def knows_task(self, name: Any) -> bool:
        """Likewise of tasks."""
        return super().knows_task(name) or self.unsound.has("tasks", name)

    def knows_step(self, name: Any) -> bool:
        """Likewise of steps."""
        return super().knows_step(name) or self._may_be("graph", name)

    def is_obscure(self, reference: Reference) -> bool:
        """Whether nobody can tell what a reference refers to because of another problem."""
        name, output = reference.name, reference.output
        text = name if output is None else f"{name}.{output}"
        if self._dotted and any(part in self._dotted for part in _beginnings(text)):
            return True
        if name in self.parameters and name in self.graph:
            return True
        if any((section, name) in self.unsound.names for section in _REFERRED):
            return True
        known = name in self.graph or name in self.parameters or name in self.artifact_inputs
        return not known and any(self._may_be(section, name) for section in _REFERRED)

    def clear_arguments(self, call: Call) -> tuple[Positional, Keyword]:
        """In a call that does not fit, only what has a name that is its own."""
        if next(calls.check_call(self, call), None) is None:
            return call.positional, call.keyword
        ranks, taken = self.tasks[call.task].ranks, len(call.positional)
        return (), tuple(one for one in call.keyword if ranks.get(one[0], -1) >= taken)

    def has_type(self, value: Any) -> bool:
        """Whether everything that a value refers to has a type."""
        return all(self._has_type(reference) for reference in find_references(value))

    def _has_type(self, reference: Reference) -> bool:
        found = self._typed.get(reference)
        if found is None:
            found = self._typed[reference] = self._find_type(reference)
        return found

    def _find_type(self, reference: Reference) -> bool:
        if self.is_obscure(reference) or references.find_problem(self, reference) is not None:
            return False
        name = reference.name
        if name in self.graph:
            outputs = [self.outputs_of(call) for call in self.outcomes.get(name, ())]
            types = [_pick(one, reference) for one in outputs]
        elif name in self.parameters:
            parameter = self.parameters[name]
            declared = parameter.get("type") if isinstance(parameter, Mapping) else None
            types = ["any" if declared is None else declared]
        else:
            types = [_pick(self.artifact_types[name], reference)]
        return bool(types) and all(one in self.built_types for one in types)

    def _has_clear_outputs(self, call: Call) -> bool:
        if call.task not in self.tasks:
            return False
        outputs = self.tasks[call.task].outputs
        count = len(outputs) if call.outputs is None else len(call.outputs)
        return _are_different(outputs) and count == len(outputs)

    def _may_be(self, section: str, name: Any) -> bool:
        spelled = isinstance(name, str) and name.casefold() in self._spelled
        return spelled or self.unsound.has(section, name)


def _find_unsound(description: Mapping[str, Any], shape: Iterable[Finding]) -> Unsound:
    sections = {
        section
        for section in _SECTIONS
        if not isinstance(description.get(section, None if section in _REQUIRED else {}), Mapping)
    }
    names = set()
    for finding in shape:
        match finding.path:
            case (str() as section,) if section in _SECTIONS:
                sections.add(section)
            case (str() as section, name, *_) if finding.code != "swap.duplicate_name":
                names.add((section, name))
    return Unsound(sections=frozenset(sections), names=frozenset(names))


def _without(description: Mapping[str, Any], unsound: Unsound) -> dict[str, Any]:
    return {
        section: dict(_sound_entries(description, section, unsound))
        for section in _SECTIONS
        if section in description or section in _REQUIRED
    }


def _sound_entries(
    description: Mapping[str, Any], section: str, unsound: Unsound
) -> Iterator[tuple[Any, Any]]:
    entries = description.get(section)
    for name, entry in entries.items() if isinstance(entries, Mapping) else ():
        # What is wrong with the task of an artifact output does not touch its contents.
        has_contents = (
            section == "artifact_outputs"
            and isinstance(entry, Mapping)
            and isinstance(entry.get("contents"), str)
        )
        if has_contents or (section, name) not in unsound.names:
            yield name, entry


def _beginnings(text: str) -> Iterator[str]:
    """`a`, `a.b` and `a.b.c` of `a.b.c`."""
    end = -1
    for _ in range(_MOST_DOTS):
        end = text.find(".", end + 1)
        yield text if end < 0 else text[:end]
        if end < 0:
            return


def _spellings(name: Any) -> tuple[str, ...]:
    if name is None:
        return _NULL
    if isinstance(name, bool):
        return _TRUE if name else _FALSE
    return (str(name).casefold(),)


def _with_text_names(entries: Mapping[Any, Any]) -> dict[Any, Any]:
    return {name: entry for name, entry in entries.items() if isinstance(name, str)}


def _are_different(parts: Iterable[Any]) -> bool:
    names = [part.name for part in parts]
    return len(set(names)) == len(names)


def _pick(outputs: Mapping[str, str], reference: Reference) -> str:
    return next(iter(outputs.values())) if reference.output is None else outputs[reference.output]
