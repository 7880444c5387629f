"""The types of references, also of those to steps that a swap leaves open.

Such a reference is of the union of what the alternatives give. If that union fits where the
reference goes, every choice does. The reverse does not hold: `[$a]` is a tuple of a union, which
fits no union of tuples although each choice alone would. So a misfit is looked at choice by
choice before it is reported.
"""

from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any, Final

from dioptra_ray.language.graph import Reference, find_references
from dioptra_ray.language.types import Type, infer
from dioptra_ray.language.types.model import UnionType
from dioptra_ray.language.validation.references import is_to_step
from dioptra_ray.language.validation.scope import Call, Scope

# How many combinations of choices one argument, and all of them, are looked at with. What is
# left then is refused when the union does not fit: nobody has shown that it does.
MAX_COMBINATIONS: Final = 64
MAX_ALL_COMBINATIONS: Final = 5_000


class Resolver:
    """The types of references, each looked up once; the references must resolve.

    Attributes:
        scope: The description.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._known: dict[Reference, Type] = {}
        self._left = MAX_ALL_COMBINATIONS

    def __call__(self, reference: Reference) -> Type:
        """The type of what `reference` refers to, whatever is chosen."""
        found = self._known.get(reference)
        if found is None:
            found = self._known[reference] = self._resolve(reference)
        return found

    def parameter(self, name: Any) -> Type:
        """The declared type of a parameter, else that of its default."""
        value = self.scope.parameters[name]
        if not isinstance(value, Mapping):
            return infer(value)
        if "type" in value:
            return self.scope.built_types[value["type"]]
        return infer(value["default"])

    def is_open(self, value: Any) -> bool:
        """Whether the type of a value depends on what is chosen."""
        return bool(self._open_steps(value))

    def misfits(self, value: Any, declared: Type) -> Iterator[tuple[Type, str]]:
        """The types that do not fit, with the choices, as ` with a=x and b=y`, that make them."""
        steps = self._open_steps(value)
        combinations = product(*(self.scope.outcomes[step] for step in steps))
        for calls in islice(combinations, min(MAX_COMBINATIONS, self._left)):
            self._left -= 1
            chosen = dict(zip(steps, calls, strict=True))
            found = infer(value, lambda reference: self._chosen(reference, chosen))  # noqa: B023
            if not self.scope.comparer.fits(found, declared):
                yield found, " with " + " and ".join(call.choice for call in calls)
        if next(combinations, None) is not None:
            yield infer(value, self), " over all choices"

    def _open_steps(self, value: Any) -> list[Any]:
        names = dict.fromkeys(
            reference.name
            for reference in find_references(value)
            if is_to_step(self.scope, reference)
        )
        return [name for name in names if len(self.scope.outcomes[name]) > 1]

    def _chosen(self, reference: Reference, chosen: dict[Any, Call]) -> Type:
        if is_to_step(self.scope, reference) and reference.name in chosen:
            return self._output(chosen[reference.name], reference)
        return self(reference)

    def _resolve(self, reference: Reference) -> Type:
        scope, name = self.scope, reference.name
        if is_to_step(scope, reference):
            types = dict.fromkeys(self._output(call, reference) for call in scope.outcomes[name])
            return next(iter(types)) if len(types) == 1 else UnionType(types)
        if reference.output is None and name in scope.parameters:
            return self.parameter(name)
        return self._of(scope.artifact_types[name], reference)

    def _output(self, call: Call, reference: Reference) -> Type:
        return self._of(self.scope.outputs_of(call), reference)

    def _of(self, outputs: Mapping[str, str], reference: Reference) -> Type:
        name = next(iter(outputs)) if reference.output is None else reference.output
        return self.scope.built_types[outputs[name]]
