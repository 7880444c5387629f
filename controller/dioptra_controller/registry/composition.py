"""From declared entrypoints to what is stored of them, with everything wrong said at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dioptra_controller.registry import names
from dioptra_controller.registry.declared import write_declared
from dioptra_controller.registry.entrypoints import EntrypointContent
from dioptra_controller.registry.parameters import read_kinds
from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language.issues import Issue
from dioptra_ray.project.compose import ComposedEntrypoint, compose_description
from dioptra_ray.project.model import ProjectEntrypoint, ProjectPlugin, ProjectType


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A declared entrypoint, put together.

    Attributes:
        content: What can be stored if no issue is an error.
        issues: Everything wrong with it.
    """

    content: EntrypointContent
    issues: tuple[Issue, ...]

    @property
    def warnings(self) -> tuple[Issue, ...]:
        """What does not stop it from running."""
        return tuple(issue for issue in self.issues if issue.severity != "error")


def compose(
    declared: Sequence[ProjectEntrypoint],
    *,
    plugins: Mapping[str, ProjectPlugin],
    types: Sequence[ProjectType],
) -> list[Composed]:
    """Put entrypoints together with their plugins and types, in the order given.

    Raises:
        InvalidRequestError: A name is not allowed.
        InvalidDescriptionError: At least one has an error; the issues of all are listed.
    """
    for entrypoint in declared:
        names.check_name("entrypoint", entrypoint.name)
    composed = [compose_one(one, plugins=plugins, types=types) for one in declared]
    refuse_errors([issue for one in composed for issue in one.issues])
    return composed


def compose_one(
    declared: ProjectEntrypoint,
    *,
    plugins: Mapping[str, ProjectPlugin],
    types: Sequence[ProjectType],
) -> Composed:
    """Put one entrypoint together, however wrong it is."""
    attached = [plugins[name] for name in declared.plugins if name in plugins]
    composed = compose_description(declared, plugins=attached, types=types)
    issues = (*composed.issues, *_not_storable(composed))
    if any(issue.severity == "error" for issue in issues):
        return Composed(content=_text_only(declared), issues=issues)
    return Composed(content=_content(declared, composed), issues=issues)


def refuse_errors(issues: Sequence[Issue], *, what: str = "the description") -> None:
    """Raise if an issue is an error.

    Raises:
        InvalidDescriptionError: There is one; all issues are listed.
    """
    errors = [issue for issue in issues if issue.severity == "error"]
    if not errors:
        return
    count = f"{len(errors)} problems" if len(errors) > 1 else "a problem"
    first = errors[0]
    place = ":".join(str(part) for part in (first.file, first.line, first.column) if part)
    where = f"{place}: " if place else ""
    raise InvalidDescriptionError(
        f"{what} has {count}; the first: {where}{first.message}", tuple(issues)
    )


def _not_storable(composed: ComposedEntrypoint) -> Iterator[Issue]:
    """YAML knows more than JSON, in which descriptions are stored and travel."""
    for path, problem in _find_foreign(composed.description, "$"):
        yield Issue(
            severity="error",
            code="value.not_json",
            message=f"{problem}; write it in quotes to make it a string.",
            path=path,
            file=composed.source_file or None,
        )


def _find_foreign(value: Any, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case None | bool() | int() | float() | str():
            return
        case Mapping():
            for key, item in value.items():
                if not isinstance(key, str):
                    yield path, f"The key {key!r} is not a string"
                yield from _find_foreign(item, f"{path}.{key}")
        case list() | tuple():
            for index, item in enumerate(value):
                yield from _find_foreign(item, f"{path}[{index}]")
        case _:
            yield path, f"A value of type {type(value).__name__} cannot be stored"


def _text_only(declared: ProjectEntrypoint) -> EntrypointContent:
    return EntrypointContent(
        name=declared.name,
        summary=declared.description,
        description={},
        source=declared.source,
        source_file=declared.source_file,
    )


def _content(declared: ProjectEntrypoint, composed: ComposedEntrypoint) -> EntrypointContent:
    kinds = read_kinds(composed.description)
    # The registration knows better: it says "list" where a description can only say nothing.
    kinds |= {parameter.name: parameter.kind for parameter in declared.parameters}
    return EntrypointContent(
        name=declared.name,
        summary=declared.description,
        description=_plain(composed.description),
        artifact_tasks=composed.artifact_tasks,
        argument_schemas=composed.argument_schemas,
        declarations=composed.declarations,
        parameter_kinds=kinds,
        declared=write_declared(declared),
        source=composed.source,
        source_file=composed.source_file,
    )


def _plain(value: Any) -> Any:
    """Without the positions that a loaded description carries."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
