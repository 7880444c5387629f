"""Names: text, not blank, without dots, and not shared."""

from collections.abc import Iterator, Mapping
from typing import Any

from dioptra_ray.language.validation.findings import Finding, listing
from dioptra_ray.language.validation.references import references_of
from dioptra_ray.language.validation.scope import Scope


def names_are_text(scope: Scope) -> Iterator[Finding]:
    """The names of types, parameters, tasks and steps are text that can be seen."""
    for section, kind in (
        ("types", "type"),
        ("parameters", "parameter"),
        ("tasks", "task"),
        ("graph", "step"),
    ):
        yield from _check_section(scope.description.get(section, {}), section, kind)


def names_have_no_dot(scope: Scope) -> Iterator[Finding]:
    """`$a.b` always means output b of a."""
    for section, kind, names in (
        ("parameters", "parameter", scope.parameters),
        ("graph", "step", scope.graph),
    ):
        for name in names:
            if isinstance(name, str) and "." in name:
                yield Finding(
                    code=f"name.{kind}_has_dot",
                    message=(
                        f'The {kind} name "{name}" has a dot, so that ${name} would mean an '
                        f"output; use _ instead."
                    ),
                    path=(section, name),
                    at_key=True,
                )


def parameters_and_steps_differ(scope: Scope) -> Iterator[Finding]:
    """A parameter and a step never share a name."""
    shared = [name for name in scope.parameters if name in scope.graph]
    if shared:
        names = "this name" if len(shared) == 1 else "these names"
        yield Finding(
            code="name.collision",
            message=f"A parameter and a step both have {names}: {listing(shared)}; rename one.",
            path=("graph", shared[0]),
            at_key=True,
        )


def references_are_unambiguous(scope: Scope) -> Iterator[Finding]:
    """A bare reference means a step or an artifact input, not either."""
    shared = {
        name
        for name in scope.artifact_inputs
        if isinstance(name, str) and name in scope.graph and name not in scope.parameters
    }
    if not shared:
        return
    for path, reference in references_of(scope):
        if reference.output is None and reference.name in shared:
            shared.discard(reference.name)
            yield Finding(
                code="name.ambiguous",
                message=(
                    f'"${reference.name}" could mean the step or the artifact input of that '
                    "name; the step is taken. Rename one of them."
                ),
                path=path,
                severity="warning",
            )


def _check_section(names: Mapping[Any, Any], section: str, kind: str) -> Iterator[Finding]:
    not_text = [name for name in names if not isinstance(name, str)]
    if not_text:
        hint = ""
        if any(isinstance(name, bool) for name in not_text):
            hint = " (YAML reads yes, no, on and off as booleans.)"
        yield Finding(
            code="name.not_string",
            message=f"A {kind} name must be text; put {listing(not_text)} in quotes.{hint}",
            path=(section, not_text[0]),
            at_key=True,
        )
    blank = [name for name in names if isinstance(name, str) and not name.strip()]
    if blank:
        yield Finding(
            code="name.blank",
            message=f"A {kind} name must not be blank: {listing(blank)}.",
            path=(section, blank[0]),
            at_key=True,
        )
