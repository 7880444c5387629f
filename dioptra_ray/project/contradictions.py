"""Where a registration and the source that it registers do not agree, with both sides shown."""

from collections.abc import Container, Iterable, Iterator

from dioptra_ray.language.issues import Issue
from dioptra_ray.language.suggestions import Suggestions
from dioptra_ray.plugins.annotations import BUILTIN_TYPES
from dioptra_ray.plugins.signatures import FunctionSignature, InputSignature
from dioptra_ray.project.config import ArtifactEntry, FunctionEntry
from dioptra_ray.project.model import ArtifactTask, FunctionTask, Place
from dioptra_ray.project.sources import PluginSource


def missing_task(
    source: PluginSource,
    entry: FunctionEntry | ArtifactEntry,
    place: Place,
    kind: str,
    suggest: Suggestions,
) -> Issue | None:
    """Why the source shows no such task, if that is a problem."""
    module = source.modules.get(entry.filename)
    if module is None:
        hint = suggest(entry.filename, source.modules)
        message = (
            f"Task {entry.name!r}: there is no file {entry.filename!r} in {source.label}.{hint}"
        )
        return place.issue("registration.missing_file", message)
    if module.issues and not module.functions and not module.definitions:
        return None  # the file could not be read, which is said already
    if line := module.definitions.get(entry.name):
        how = (
            "is not visibly decorated with pyplugs.register"
            if kind == "function"
            else "does not visibly inherit ArtifactTaskInterface"
        )
        return place.issue(
            "registration.not_registered",
            f"{entry.name!r} in {source.place(entry.filename, line)} {how}; a job that calls it "
            "may fail.",
            severity="warning",
        )
    defined = [
        *(task.name for task in module.functions),
        *(c.name for c in module.artifact_classes),
    ]
    hint = suggest(entry.name, [*defined, *module.definitions])
    hint = hint or f" It defines {_listed(defined)}."
    return place.issue(
        f"registration.missing_{kind}",
        f"{source.label}/{entry.filename} does not define {entry.name!r}.{hint}",
    )


def contradictions(
    entry: FunctionEntry,
    signature: FunctionSignature,
    place: Place,
    source: PluginSource,
    suggest: Suggestions,
) -> Iterator[Issue]:
    """What the registration says of the inputs that the source denies."""
    given = entry.input_params or []
    actual = {one.name: one for one in signature.inputs}
    declared = dict.fromkeys(one.name for one in given)
    both = (
        f"The registration says {entry.name}({', '.join(declared)}), "
        f"{source.place(entry.filename, signature.line)} says "
        f"{entry.name}({_spell_inputs(signature)})"
    )
    unknown = [name for name in declared if name not in actual]
    if unknown and not signature.has_var_keyword:
        hint = suggest(unknown[0], [name for name in actual if name not in declared])
        message = f"{both}: the function has no input {_listed(unknown)}.{hint}"
        yield place.issue("registration.unknown_input", message)
    missing = [one.name for one in signature.inputs if one.required and one.name not in declared]
    if missing:
        message = f"{both}: {_listed(missing)} must be given too."
        yield place.issue("registration.missing_input", message)
    yield from _order_problems(both, list(declared), signature, place)
    optional = [
        one.name
        for one in given
        if one.required is False and one.name in actual and actual[one.name].required
    ]
    if optional:
        message = f"{both}: {_listed(optional)} has no default in the source, so it is required."
        yield place.issue("registration.required_input", message, severity="warning")


def _order_problems(
    both: str, declared: list[str], signature: FunctionSignature, place: Place
) -> Iterator[Issue]:
    """Positional arguments are bound by the source's order, whatever the registration's is."""
    positional = [one.name for one in signature.inputs if one.kind != "keyword_only"]
    known = {name: rank for rank, name in enumerate(positional)}
    ranks = [known[name] for name in declared if name in known]
    if ranks != sorted(ranks):
        message = f"{both}: the order of the inputs differs."
        yield place.issue("registration.input_order", message)
    elif ranks != list(range(len(ranks))):
        skipped = positional[next(n for n, rank in enumerate(ranks) if n != rank)]
        message = (
            f"{both}: {skipped!r} is left out, so positional arguments would be given to other "
            "inputs than the registration says; declare it, or pass arguments by name."
        )
        yield place.issue("registration.skipped_input", message, severity="warning")


def _spell_inputs(signature: FunctionSignature) -> str:
    spelled = [_spell_input(given) for given in signature.inputs]
    spelled += ["*args"] * signature.has_var_positional
    spelled += ["**kwargs"] * signature.has_var_keyword
    return ", ".join(spelled)


def _spell_input(given: InputSignature) -> str:
    return given.name if given.required else f"{given.name}=..."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "nothing"


def undefined_types(
    task: FunctionTask | ArtifactTask, type_names: Container[str]
) -> Iterable[Issue]:
    """Types that a task names and nobody declares."""
    typed = [(output.name, output.type) for output in task.outputs]
    if isinstance(task, FunctionTask):
        typed = [(given.name, given.type) for given in task.inputs] + typed
    for name, type_name in typed:
        if type_name not in type_names and type_name not in BUILTIN_TYPES | task.types.keys():
            yield task.place.issue(
                "registration.undefined_type",
                f"Task {task.name!r}: the type {type_name!r} of {name!r} is not declared; "
                "add it under [[plugin_param_types]].",
            )
