"""Reads a project folder: its registration file and everything that file names."""

import posixpath
import re
from collections.abc import Container, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language.issues import Issue
from dioptra_ray.plugins.annotations import BUILTIN_TYPES
from dioptra_ray.plugins.coerce import KINDS
from dioptra_ray.project.config import (
    ArtifactParameterEntry,
    Config,
    ConfigText,
    EntrypointEntry,
    ParameterEntry,
    PluginEntry,
    QueueEntry,
    read_config,
)
from dioptra_ray.project.contradictions import undefined_types
from dioptra_ray.project.declared_types import check_types
from dioptra_ray.project.defaults import read_default
from dioptra_ray.project.model import (
    ArtifactParameter,
    EntrypointParameter,
    Place,
    Project,
    ProjectEntrypoint,
    ProjectPlugin,
    ProjectQueue,
    ProjectType,
    TaskOutput,
)
from dioptra_ray.project.positions import Path
from dioptra_ray.project.queues import read_queue
from dioptra_ray.project.sources import PluginSource
from dioptra_ray.project.tasks import (
    PluginTasks,
    register_artifact,
    register_function,
    source_tasks,
)

NAME: Final = re.compile(r"[A-Za-z]|[A-Za-z_][A-Za-z0-9_]+")
"""What plugins, tasks and their parameters may be called."""


def read_project(files: Mapping[str, bytes], config_path: str = "dioptra.toml") -> Project:
    """Read the project whose files are given by path, with forward slashes.

    Raises:
        InvalidDescriptionError: Something is wrong; its issues are everything that is.
    """
    if config_path not in files:
        issue = Place(file=config_path).issue("project.no_config", f"There is no {config_path}.")
        raise _refuse([issue])
    config, text, issues = read_config(files[config_path], config_path)
    if config is None:
        raise _refuse(issues)
    reader = _Reader(files, text)
    project = reader.read(config)
    if any(issue.severity == "error" for issue in reader.issues):
        raise _refuse(reader.issues)
    return project


def _refuse(issues: Iterable[Issue]) -> InvalidDescriptionError:
    issues = tuple(dict.fromkeys(issues))
    count = sum(issue.severity == "error" for issue in issues)
    return InvalidDescriptionError(
        f"The project has {count} problem{'s' if count != 1 else ''}.", issues
    )


def read_plugin(
    name: str,
    files: Mapping[str, bytes],
    *,
    description: str = "",
    type_names: Container[str] = frozenset(),
    label: str | None = None,
) -> tuple[ProjectPlugin, tuple[Issue, ...]]:
    """A plugin whose tasks are what its source says; `label` is what messages call it."""
    source = PluginSource.read(name, files, label=label or name)
    tasks = source_tasks(source, type_names)
    return _plugin(name, description, files, tasks), tuple(tasks.issues)


def _plugin(
    name: str, description: str, files: Mapping[str, bytes], tasks: PluginTasks
) -> ProjectPlugin:
    return ProjectPlugin(
        name=name,
        description=description,
        files=dict(files),
        function_tasks=tuple(sorted(tasks.functions.values(), key=lambda task: task.id)),
        artifact_tasks=tuple(sorted(tasks.artifacts.values(), key=lambda task: task.id)),
    )


class _Reader:
    """Turns a registration's entries into values and collects what is wrong with them."""

    def __init__(self, files: Mapping[str, bytes], text: ConfigText) -> None:
        self.files = files
        self.text = text
        self.root = posixpath.dirname(text.file)
        self.issues: list[Issue] = []

    def read(self, config: Config) -> Project:
        types = self._types(config)
        names = {one.name for one in types}
        plugins = [self._plugin(entry, index, names) for index, entry in enumerate(config.plugins)]
        self._check_unique("plugin", ("plugins",), [plugin.name for plugin in plugins])
        plugin_names = {plugin.name for plugin in plugins}
        entrypoints = [
            self._entrypoint(entry, index, names, plugin_names)
            for index, entry in enumerate(config.entrypoints)
        ]
        self._check_unique("entrypoint", ("entrypoints",), [one.name for one in entrypoints])
        queues = [self._queue(entry, index) for index, entry in enumerate(config.queues)]
        self._check_unique("queue", ("queues",), [queue.name for queue in queues])
        return Project(
            plugins=tuple(sorted(plugins, key=lambda plugin: plugin.name)),
            types=tuple(sorted(types, key=lambda one: one.name)),
            entrypoints=tuple(sorted(entrypoints, key=lambda one: one.name)),
            queues=tuple(sorted(queues, key=lambda queue: queue.name)),
            warnings=tuple(issue for issue in self.issues if issue.severity == "warning"),
        )

    def _queue(self, entry: QueueEntry, index: int) -> ProjectQueue:
        queue, issues = read_queue(entry, index, self.text)
        self.issues.extend(issues)
        return queue

    def _types(self, config: Config) -> list[ProjectType]:
        key = "plugin_param_types"
        entries = config.plugin_param_types
        self._check_unique("parameter type", (key,), [entry.name for entry in entries])
        for index, entry in enumerate(entries):
            if entry.name.strip().lower() in BUILTIN_TYPES:
                message = f"{entry.name!r} is a built-in type and cannot be declared."
                self._complain("registration.builtin_type", message, (key, index, "name"))
        types = [
            ProjectType(
                name=entry.name,
                description=entry.description,
                structure=entry.structure or None,
                place=self.text.place(key, index),
            )
            for index, entry in enumerate(entries)
        ]
        self.issues.extend(check_types(one for one in types if one.name not in BUILTIN_TYPES))
        return types

    def _plugin(self, entry: PluginEntry, index: int, types: Container[str]) -> ProjectPlugin:
        path: Path = ("plugins", index)
        folder = self._resolve(entry.path, (*path, "path"))
        name = PurePosixPath(entry.path).stem
        if not NAME.fullmatch(name) or not name.isidentifier():
            message = (
                f"{name!r} cannot be imported: a plugin's folder is called like a Python "
                "identifier of letters, digits and underscores."
            )
            self._complain("registration.plugin_name", message, (*path, "path"))
        found = _below(self.files, folder)
        files = {file: content for file, content in found.items() if _is_source(file)}
        if not files:
            message = f"There are no Python files in {folder or 'this folder'!r}."
            self._complain("registration.missing_plugin", message, (*path, "path"))
        source = PluginSource.read(name, files, label=folder or name)
        tasks = source_tasks(source, types)
        for below, function in entry.functions:
            register_function(tasks, source, function, self.text.place(*path, *below))
            self._check_names(function.input_params or (), (*path, *below, "input_params"))
            self._check_names(function.output_params or (), (*path, *below, "output_params"))
        for below, artifact in entry.artifacts:
            register_artifact(tasks, source, artifact, self.text.place(*path, *below))
        self._check_tasks(entry, path)
        self.issues.extend(tasks.issues)
        for function_task in tasks.functions.values():
            self.issues.extend(undefined_types(function_task, types))
        for artifact_task in tasks.artifacts.values():
            self.issues.extend(undefined_types(artifact_task, types))
        return _plugin(name, entry.description, files, tasks)

    def _check_tasks(self, entry: PluginEntry, path: Path) -> None:
        """A task is registered once per file."""
        seen: set[tuple[str, str]] = set()
        for below, task in (*entry.functions, *entry.artifacts):
            if (task.filename, task.name) in seen:
                message = f"Task {task.name!r} of {task.filename} is registered twice."
                self._complain("registration.duplicate", message, (*path, *below))
            seen.add((task.filename, task.name))

    def _entrypoint(
        self, entry: EntrypointEntry, index: int, types: Container[str], plugins: set[str]
    ) -> ProjectEntrypoint:
        path: Path = ("entrypoints", index)
        file = self._resolve(entry.path, (*path, "path"))
        attached = {
            name: self.text.place(*path, key, position)
            for key, names in (
                ("artifact_plugins", entry.artifact_plugins),
                ("plugins", entry.plugins),
            )
            for position, name in enumerate(names)
        }
        for name, place in attached.items():
            if name not in plugins:
                message = f"Plugin {name!r} is not declared in this file."
                self.issues.append(place.issue("registration.unknown_plugin", message))
        self._check_names(entry.params, (*path, "params"))
        self._check_names(entry.artifact_params, (*path, "artifact_params"))
        return ProjectEntrypoint(
            name=entry.name or PurePosixPath(entry.path).stem,
            description=entry.description,
            parameters=tuple(
                self._parameter(parameter, (*path, "params", position))
                for position, parameter in enumerate(entry.params)
            ),
            artifact_parameters=tuple(
                self._artifact_parameter(one, (*path, "artifact_params", position), types)
                for position, one in enumerate(entry.artifact_params)
            ),
            plugins=tuple(name for name in (*dict.fromkeys((*entry.plugins, *attached)),)),
            source=self._text(file, (*path, "path")),
            source_file=file,
            place=self.text.place(*path),
            plugin_places=attached,
        )

    def _parameter(self, entry: ParameterEntry, path: Path) -> EntrypointParameter:
        place = self.text.place(*path)
        if entry.type not in KINDS:
            message = (
                f"{entry.type!r} is not a type of entrypoint parameters; "
                f"use one of {', '.join(KINDS)}."
            )
            self._complain("registration.parameter_type", message, (*path, "type"))
            return EntrypointParameter(name=entry.name, kind="string", place=place)
        has_default = "default_value" in entry.model_fields_set
        default: Any = None
        if has_default:
            try:
                default = read_default(entry.type, entry.default_value)
            except ValueError as error:
                message = f"The default of {entry.name!r} does not fit: {error}"
                self._complain("param.default_mismatch", message, (*path, "default_value"))
        return EntrypointParameter(
            name=entry.name,
            kind=entry.type,
            default=default,
            has_default=has_default,
            place=place,
        )

    def _artifact_parameter(
        self, entry: ArtifactParameterEntry, path: Path, types: Container[str]
    ) -> ArtifactParameter:
        self._check_names(entry.output_params, (*path, "output_params"))
        for index, output in enumerate(entry.output_params):
            if output.type not in types and output.type not in BUILTIN_TYPES:
                message = (
                    f"The type {output.type!r} of {output.name!r} is not declared; "
                    "add it under [[plugin_param_types]]."
                )
                where = (*path, "output_params", index, "type")
                self._complain("registration.undefined_type", message, where)
        return ArtifactParameter(
            name=entry.name,
            outputs=tuple(TaskOutput(name=o.name, type=o.type) for o in entry.output_params),
            place=self.text.place(*path),
        )

    def _text(self, file: str, path: Path) -> str:
        content = self.files.get(file)
        if content is None:
            self._complain("registration.missing_file", f"There is no file {file!r}.", path)
            return ""
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self._complain("registration.not_text", f"{file!r} is not UTF-8: {error}.", path)
            return ""

    def _resolve(self, path: str, where: Path) -> str:
        """A path of the registration, from the project's root."""
        joined = posixpath.normpath(posixpath.join(self.root, path.replace("\\", "/")))
        if joined.startswith(("/", "..")):
            message = f"{path!r} leaves the project; use a path below the registration file."
            self._complain("registration.path", message, where)
        return "" if joined == "." else joined

    def _check_names(self, entries: Iterable[Any], path: Path) -> None:
        self._check_unique("name", path, [entry.name for entry in entries])

    def _check_unique(self, kind: str, path: Path, names: list[str]) -> None:
        seen: set[str] = set()
        for index, name in enumerate(names):
            if name in seen:
                message = f"The {kind} {name!r} is declared twice."
                self._complain("registration.duplicate", message, (*path, index))
            seen.add(name)

    def _complain(self, code: str, message: str, path: Path) -> None:
        self.issues.append(self.text.issue(code, message, path))


def _below(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    prefix = f"{folder}/" if folder else ""
    return {
        path.removeprefix(prefix): content
        for path, content in files.items()
        if path.startswith(prefix)
    }


def _is_source(path: str) -> bool:
    """Dioptra takes every Python file of a plugin whose path has no hidden part."""
    hidden = any(part.startswith(".") for part in path.split("/"))
    return path.endswith(".py") and not hidden
