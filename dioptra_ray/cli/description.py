"""Reading a description for `validate`, `plan` and `run`: from a file, whatever kind it is.

A file may be self-contained (it has `tasks`), or an entrypoint's graph alone, whose tasks
come from the project whose `dioptra.toml` declares the file, or from a folder of plugins.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from dioptra_ray.cli.wording import WHERE_PLUGINS_ARE
from dioptra_ray.errors import InvalidDescriptionError
from dioptra_ray.language import load, validate
from dioptra_ray.language.issues import Issue
from dioptra_ray.language.swaps import renamed_tasks, render
from dioptra_ray.planning.declarations import Declaration
from dioptra_ray.project import read_project
from dioptra_ray.project.adhoc import PluginFolder, describe_folder
from dioptra_ray.project.compose import ComposedEntrypoint, compose_description
from dioptra_ray.project.folder import CONFIG_NAME, read_files

# How far above an entrypoint's file its project may begin.
MAX_LEVELS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPlace:
    """The project that declares a file.

    Attributes:
        config: Its TOML file.
        entrypoint: Name of the entrypoint that the file belongs to.
    """

    config: Path
    entrypoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What is known of a description after reading it.

    Attributes:
        file: Its file.
        description: Self-contained as far as possible; empty when it cannot be read.
        issues: All that is wrong with it.
        artifact_tasks: "plugin.module.Class" by artifact task name.
        declarations: What source and registration say, by task name.
        plugins: The plugins of the folder given, or of the project.
        project: The project that declares the file, unless that is self-contained.
    """

    file: Path
    description: Mapping[str, Any] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()
    artifact_tasks: Mapping[str, str] = field(default_factory=dict)
    declarations: Mapping[str, Declaration] = field(default_factory=dict)
    plugins: PluginFolder = field(default_factory=PluginFolder)
    project: ProjectPlace | None = None

    @property
    def hint(self) -> str:
        """What to do about tasks that nobody has given; empty when they were."""
        given = self.plugins.plugins or self.project is not None
        lacks = bool(self.description) and "tasks" not in self.description
        return f"It has no tasks of its own. {WHERE_PLUGINS_ARE}" if lacks and not given else ""

    @property
    def is_valid(self) -> bool:
        """Whether it can run."""
        return not any(issue.severity == "error" for issue in self.issues)

    @property
    def plugin_names(self) -> tuple[str, ...]:
        """The plugins that it uses: those of the folder, or whose tasks it names."""
        if self.plugins.plugins:
            return tuple(plugin.name for plugin in self.plugins.plugins)
        tasks = self.description.get("tasks") or {}
        ids = (task.get("plugin") for task in tasks.values() if isinstance(task, Mapping))
        return tuple(sorted({one.partition(".")[0] for one in ids if isinstance(one, str)}))

    def check(self) -> None:
        """Refuse to go on with what cannot run.

        Raises:
            InvalidDescriptionError: It has errors.
        """
        if not self.is_valid:
            count = sum(issue.severity == "error" for issue in self.issues)
            problems = "a problem" if count == 1 else f"{count} problems"
            hint = f". {self.hint}" if self.hint else ""
            raise InvalidDescriptionError(f"{self.file} has {problems}{hint}", self.issues)

    def choose(self, choices: Mapping[str, str]) -> "Described":
        """The same, with an alternative chosen for each swap; it must be valid.

        Raises:
            InvalidDescriptionError: A choice is missing or names nothing.
        """
        try:
            rendered = render(self.description, choices)
        except InvalidDescriptionError as error:
            issues = [replace(issue, file=issue.file or str(self.file)) for issue in error.issues]
            raise InvalidDescriptionError(error.message, issues) from None
        copies = renamed_tasks(self.description, choices)
        known = {
            copy: self.declarations[task]
            for copy, task in copies.items()
            if task in self.declarations
        }
        return replace(self, description=rendered, declarations={**self.declarations, **known})


def describe(file: Path, plugins_dir: Path | None = None) -> Described:
    """Read a description; what is wrong with it is in `issues`."""
    try:
        loaded = load(file)
    except InvalidDescriptionError as error:
        return Described(file=file, issues=error.issues)
    # Only the registration knows the parameters of a graph that stands alone.
    project = None if "tasks" in loaded else find_project(file)
    if project is not None:
        return _describe_in_project(file, project)
    if plugins_dir is not None:
        folder = describe_folder(plugins_dir)
        composed = folder.compose(_text(file), str(file))
        issues = (*folder.issues, *composed.issues)
        return _described(file, composed, issues=issues, plugins=folder)
    found = validate(loaded, thorough=True)
    issues = tuple(replace(issue, file=issue.file or str(file)) for issue in found)
    return Described(file=file, description=loaded, issues=issues)


def find_project(file: Path) -> ProjectPlace | None:
    """Find the project that declares a file: the nearest TOML file above must do so."""
    target = file.resolve()
    for folder in list(target.parents)[:MAX_LEVELS]:
        config = folder / CONFIG_NAME
        if not config.is_file():
            continue
        try:
            entries = tomllib.loads(config.read_bytes().decode("utf-8-sig")).get("entrypoints", [])
        except (ValueError, RecursionError):
            return None
        for entry in entries if isinstance(entries, list) else []:
            path = entry.get("path") if isinstance(entry, dict) else None
            if isinstance(path, str) and (folder / path).resolve() == target:
                name = entry.get("name")
                return ProjectPlace(
                    config=config, entrypoint=name if isinstance(name, str) else target.stem
                )
        return None
    return None


def _describe_in_project(file: Path, place: ProjectPlace) -> Described:
    try:
        project = read_project(read_files(place.config), place.config.name)
    except InvalidDescriptionError as error:
        return Described(file=file, issues=_below(place, error.issues), project=place)
    entrypoint = next(one for one in project.entrypoints if one.name == place.entrypoint)
    plugins = PluginFolder(plugins=project.plugins)
    composed = compose_description(entrypoint, plugins=project.plugins, types=project.types)
    issues = _below(place, composed.issues)
    return _described(file, composed, issues=issues, plugins=plugins, project=place)


def _below(place: ProjectPlace, issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """The same issues, with files as they can be opened from here."""
    folder = place.config.parent
    return tuple(
        replace(issue, file=_shown(folder / issue.file)) if issue.file else issue
        for issue in issues
    )


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _described(file: Path, composed: ComposedEntrypoint, **known: Any) -> Described:
    return Described(
        file=file,
        description=composed.description,
        artifact_tasks=composed.artifact_tasks,
        declarations=composed.declarations,
        **known,
    )


def _text(file: Path) -> str:
    content = file.read_bytes()
    for encoding in ("utf-8-sig", "utf-16"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("utf-8", "replace")
