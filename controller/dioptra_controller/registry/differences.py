"""What differs between two snapshots of one thing: pure functions of both."""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dioptra_controller.registry import queues
from dioptra_controller.registry.entrypoints import EntrypointSnapshot
from dioptra_controller.registry.parameter_types import ParameterType
from dioptra_controller.registry.plugins import PluginSnapshot
from dioptra_ray.project.model import ArtifactTask, FunctionTask

_SECTIONS = (
    ("types", "type"),
    ("parameters", "parameter"),
    ("artifact_inputs", "artifact_input"),
    ("artifact_outputs", "artifact_output"),
    ("tasks", "task"),
    ("graph", "step"),
    ("execution", "execution"),
)


class Change(StrEnum):
    """What happened to a part."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One part that differs.

    Attributes:
        part: What it is: "file", "source", "function_task", "plugin", "type", ...
        name: Its name; empty where there is only one.
        change: What happened to it.
        before: What the older one has; empty for texts.
        after: What the newer one has; empty for texts.
        unified: For texts, a unified diff.
    """

    part: str
    name: str = ""
    change: Change
    before: str = ""
    after: str = ""
    unified: str = ""


def diff_plugins(
    old: PluginSnapshot,
    new: PluginSnapshot,
    old_files: Mapping[str, bytes],
    new_files: Mapping[str, bytes],
) -> list[Difference]:
    """What differs between two snapshots of a plugin, whose files are given by path."""
    return [
        *_diff_values("description", {"": old.description}, {"": new.description}),
        *_diff_values("function_task", _tasks(old.function_tasks), _tasks(new.function_tasks)),
        *_diff_values("artifact_task", _tasks(old.artifact_tasks), _tasks(new.artifact_tasks)),
        *_diff_files(old_files, new_files),
    ]


def diff_entrypoints(old: EntrypointSnapshot, new: EntrypointSnapshot) -> list[Difference]:
    """What differs between two snapshots of an entrypoint."""
    found = [*_diff_values("description", {"": old.summary}, {"": new.summary})]
    pins = [{pin.name: f"snapshot {pin.number}" for pin in one.plugins} for one in (old, new)]
    found += _diff_values("plugin", pins[0], pins[1])
    for section, part in _SECTIONS:
        before = old.description.get(section) or {}
        found += _diff_values(part, before, new.description.get(section) or {})
    if old.source != new.source:
        found.append(_diff_text("source", new.source_file, old.source, new.source))
    return found


def diff_types(old: ParameterType, new: ParameterType) -> list[Difference]:
    """What differs between two snapshots of a parameter type."""
    return [
        *_diff_values("description", {"": old.description}, {"": new.description}),
        *_diff_values("structure", {"": old.structure}, {"": new.structure}),
    ]


def diff_queues(old: queues.Settings, new: queues.Settings) -> list[Difference]:
    """What differs between two snapshots of a queue."""
    found = [*_diff_values("description", {"": old.description}, {"": new.description})]
    for name in ("max_started_jobs", "priority"):
        before, after = ({"": getattr(one, name)} for one in (old, new))
        found += _diff_values(name, before, after)
    environments = [_flat(one.environment.to_mapping()) for one in (old, new)]
    return [*found, *_diff_values("environment", environments[0], environments[1])]


def _flat(environment: Mapping[str, Any]) -> dict[str, Any]:
    """With the parts of the runtime_env side by side with all other settings."""
    flat = dict(environment)
    for name, value in flat.pop("runtime_env", {}).items():
        flat[f"runtime_env.{name}"] = value
    return flat


def diff_descriptions(old: str, new: str) -> list[Difference]:
    """What differs where snapshots have only a description."""
    return list(_diff_values("description", {"": old}, {"": new}))


def _diff_values(part: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name, change in _changes(old, new, lambda name: old[name] == new[name]):
        yield Difference(
            part=part,
            name=name,
            change=change,
            before=_show(old[name]) if name in old else "",
            after=_show(new[name]) if name in new else "",
        )


def _diff_files(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterator[Difference]:
    for path, change in _changes(old, new, lambda path: old[path] == new[path]):
        before, after = old.get(path, b""), new.get(path, b"")
        try:
            texts = before.decode("utf-8"), after.decode("utf-8")
        except UnicodeDecodeError:
            sizes = f"{len(before)} bytes", f"{len(after)} bytes"
            yield Difference(part="file", name=path, change=change, before=sizes[0], after=sizes[1])
        else:
            yield _diff_text("file", path, *texts, change=change)


def _diff_text(
    part: str, name: str, old: str, new: str, *, change: Change = Change.CHANGED
) -> Difference:
    from_file = "/dev/null" if change is Change.ADDED else f"a/{name}"
    to_file = "/dev/null" if change is Change.REMOVED else f"b/{name}"
    lines: list[str] = []
    compared = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), from_file, to_file
    )
    for line in compared:
        ended = line.endswith("\n")
        lines.append(line if ended else f"{line}\n\\ No newline at end of file\n")
    return Difference(part=part, name=name, change=change, unified="".join(lines))


def _changes(
    old: Mapping[str, Any], new: Mapping[str, Any], is_same: Callable[[str], bool]
) -> Iterator[tuple[str, Change]]:
    for name in sorted({*old, *new}):
        if name not in new:
            yield name, Change.REMOVED
        elif name not in old:
            yield name, Change.ADDED
        elif not is_same(name):
            yield name, Change.CHANGED


def _tasks(tasks: "tuple[FunctionTask, ...] | tuple[ArtifactTask, ...]") -> dict[str, str]:
    """How each task is called and declared; where it stands in its file does not count."""
    return {task.id: _signature(task) for task in tasks}


def _signature(task: FunctionTask | ArtifactTask) -> str:
    outputs = ", ".join(f"{output.name}: {output.type}" for output in task.outputs)
    if isinstance(task, ArtifactTask):
        schema = _show(task.argument_schema) if task.argument_schema else ""
        return f"-> ({outputs})" + (f" with {schema}" if schema else "")
    inputs = ", ".join(
        f"{given.name}{'' if given.required else '?'}: {given.type}" for given in task.inputs
    )
    declared = task.declaration.to_mapping()
    return f"({inputs}) -> ({outputs})" + (f" with {_show(declared)}" if declared else "")


def _show(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
