"""Plugins straight from a folder, without a registration: for `validate` and `run` on files."""

from dataclasses import dataclass
from pathlib import Path

from dioptra_ray.language.issues import Issue
from dioptra_ray.plugins.bundle import read_folder
from dioptra_ray.project.compose import ComposedEntrypoint, compose_description
from dioptra_ray.project.model import (
    ArtifactTask,
    FunctionTask,
    Place,
    ProjectEntrypoint,
    ProjectPlugin,
)
from dioptra_ray.project.reader import read_plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFolder:
    """The plugins of a folder.

    Attributes:
        plugins: Sorted by name.
        issues: What is wrong with their sources.
    """

    plugins: tuple[ProjectPlugin, ...] = ()
    issues: tuple[Issue, ...] = ()

    @property
    def function_tasks(self) -> tuple[FunctionTask, ...]:
        """Function tasks of all plugins."""
        return tuple(task for plugin in self.plugins for task in plugin.function_tasks)

    @property
    def artifact_tasks(self) -> tuple[ArtifactTask, ...]:
        """Artifact tasks of all plugins."""
        return tuple(task for plugin in self.plugins for task in plugin.artifact_tasks)

    def compose(self, source: str, source_file: str) -> ComposedEntrypoint:
        """Put together a description, or an entrypoint file, that uses these plugins."""
        entrypoint = ProjectEntrypoint(
            name=Path(source_file).stem or "entrypoint",
            plugins=tuple(plugin.name for plugin in self.plugins),
            source=source,
            source_file=source_file,
            place=Place(file=source_file, line=1, column=1),
        )
        return compose_description(entrypoint, plugins=self.plugins)


def describe_folder(folder: Path) -> PluginFolder:
    """Read a folder that holds plugins: sub-folders with Python files, and single modules.

    Raises:
        NotFoundError: There is no such folder.
    """
    found: dict[str, dict[str, bytes]] = {}
    for path, content in read_folder(folder).items():
        name, slash, inner = path.partition("/")
        if slash:
            found.setdefault(name, {})[inner] = content
        elif name.endswith(".py"):
            # A module at the top is imported by its own name, as a package of one file is.
            found.setdefault(name.removesuffix(".py"), {})["__init__.py"] = content
    plugins: list[ProjectPlugin] = []
    issues: list[Issue] = []
    for name in sorted(found):
        if name.isidentifier() and any(path.endswith(".py") for path in found[name]):
            plugin, problems = read_plugin(name, found[name], label=f"{folder.name}/{name}")
            plugins.append(plugin)
            issues.extend(problems)
    return PluginFolder(plugins=tuple(plugins), issues=tuple(issues))
