"""Changing one file of a plugin: the rest of its newest snapshot stays."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dioptra_controller.registry.plugins import PluginSnapshot
from dioptra_controller.registry.snapshots import Mode
from dioptra_ray.errors import (
    AlreadyExistsError,
    InvalidDescriptionError,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
)
from dioptra_ray.language.suggestions import did_you_mean
from dioptra_ray.project.model import ProjectPlugin
from dioptra_ray.project.reader import read_plugin

# Folders of a plugin are packages that code imports. Unlike Dioptra we also take files that
# begin with an underscore there: without `a/__init__.py` the folder `a` is hardly a package.
_PATH = re.compile(r"(?:[A-Za-z][A-Za-z0-9_]*/)*(?:[A-Za-z]|[A-Za-z_][A-Za-z0-9_]+)\.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A change of one file; a `content` of None deletes it."""

    path: str
    content: bytes | None
    mode: Mode = Mode.UPSERT


def check_path(path: str) -> None:
    """Check the path of a file that is put into a plugin by itself.

    Raises:
        InvalidRequestError: Nothing could import it.
    """
    if not _PATH.fullmatch(path):
        raise InvalidRequestError(
            f"{path!r} is no path of a Python module: use letters, digits and underscores, "
            "such as 'tasks.py' or 'data/loading.py'"
        )


def change_file(
    present: PluginSnapshot,
    files: Mapping[str, bytes],
    change: FileChange,
    type_names: frozenset[str],
) -> ProjectPlugin:
    """The plugin with one file changed; tasks of other files stay as they were registered.

    Raises:
        InvalidRequestError: The path is none that can be imported.
        InvalidDescriptionError: The new content is no Python, or declares nonsense.
        NotFoundError, AlreadyExistsError: The mode does not allow it.
        PreconditionError: It is the only file.
    """
    new_files = _apply(present, files, change)
    found, issues = read_plugin(
        present.name, new_files, description=present.description, type_names=type_names
    )
    file = f"{present.name}/{change.path}"
    if errors := [one for one in issues if one.severity == "error" and one.file == file]:
        raise InvalidDescriptionError(f"{file} has problems: {errors[0].message}", issues)
    kept_functions = [task for task in present.function_tasks if task.file != change.path]
    kept_artifacts = [task for task in present.artifact_tasks if task.file != change.path]
    functions = [task for task in found.function_tasks if task.file == change.path]
    artifacts = [task for task in found.artifact_tasks if task.file == change.path]
    return ProjectPlugin(
        name=present.name,
        description=present.description,
        files=new_files,
        function_tasks=tuple(sorted((*kept_functions, *functions), key=lambda task: task.id)),
        artifact_tasks=tuple(sorted((*kept_artifacts, *artifacts), key=lambda task: task.id)),
    )


def missing_file(snapshot: PluginSnapshot, path: str) -> NotFoundError:
    """Say that a snapshot has no such file."""
    paths = [file.path for file in snapshot.files]
    hint = did_you_mean(path, paths) or f" It has: {', '.join(paths[:20])}."
    return NotFoundError(
        f"plugin {snapshot.name!r} (snapshot {snapshot.number}) has no file {path!r}.{hint}",
        kind="plugin file",
        name=path,
    )


def _apply(
    present: PluginSnapshot, files: Mapping[str, bytes], change: FileChange
) -> dict[str, bytes]:
    exists = change.path in files
    if change.content is None:
        if not exists:
            raise missing_file(present, change.path)
        if len(files) == 1:
            raise PreconditionError(
                f"{change.path!r} is the only file of plugin {present.name!r}; "
                "delete the plugin instead"
            )
        return {path: data for path, data in files.items() if path != change.path}
    check_path(change.path)
    if exists and change.mode is Mode.CREATE:
        raise AlreadyExistsError(f"plugin {present.name!r} has a file {change.path!r} already")
    if not exists and change.mode is Mode.UPDATE:
        raise missing_file(present, change.path)
    return {**files, change.path: change.content}
