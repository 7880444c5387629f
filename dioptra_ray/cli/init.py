"""`dioptra-ray init`: a new project folder that validates, runs and imports as it is."""

import keyword
import re
from collections.abc import Iterator
from importlib.abc import Traversable
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from dioptra_ray.cli.output import Output, with_output
from dioptra_ray.cli.paths import NEW_FOLDER
from dioptra_ray.errors import InvalidRequestError

# The suffix keeps linters, test runners and importers away from files that are not code yet.
_SUFFIX: Final = ".template"
_PLUGIN: Final = "__plugin__"
_PROJECT: Final = "__project__"
# What a new repository has before anything is in it.
_IGNORED: Final = frozenset({".git", ".gitignore", ".gitattributes", "LICENSE"})
_MAX_NAME: Final = 60
_PLUGIN_NAME: Final = re.compile(r"[a-z][a-z0-9_]+")


@click.command()
@click.argument("folder", type=NEW_FOLDER, default=".")
@click.option("--name", help="Of the project; the name of the folder if not given.")
@with_output
def init(folder: Path, name: str | None, output: Output) -> None:
    """Make a new project in FOLDER, with a plugin, an entrypoint and a test.

    A folder that holds anything is left alone.
    """
    project = name or folder.resolve().name
    made = make_project(folder, project)
    if output.is_json:
        output.json({"project": project, "folder": folder, "files": made})
        return
    output.line(f"made the project {project} in {folder}")
    for path in made:
        output.line(f"  {path}")
    entrypoint = folder / "entrypoints" / "summarize.yaml"
    output.line(f"try it: dioptra-ray run --local {entrypoint}")


def make_project(folder: Path, name: str) -> list[str]:
    """Write the files of a new project; returns their paths below the folder, sorted.

    Raises:
        InvalidRequestError: The folder is not empty, or the name cannot be used.
    """
    plugin = plugin_name(name)
    if folder.exists():
        held = sorted(one.name for one in folder.iterdir() if one.name not in _IGNORED)
        if held:
            raise InvalidRequestError(
                f"the folder {folder} is not empty: it has {held[0]}; give another folder"
            )
    made = {
        path.replace(_PLUGIN, plugin): text.replace(_PLUGIN, plugin).replace(_PROJECT, name)
        for path, text in _templates(files("dioptra_ray.cli") / "templates" / "project", "")
    }
    for path, text in made.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return sorted(made)


def plugin_name(project: str) -> str:
    """What the plugin of a project is imported as.

    Raises:
        InvalidRequestError: Nothing importable can be made of the name.
    """
    plugin = re.sub(r"\W+", "_", project, flags=re.ASCII).strip("_").lower()
    named = len(project) <= _MAX_NAME and project.isprintable()
    # The name stands between quotes in TOML and Python.
    if not named or '"' in project or "\\" in project or not _PLUGIN_NAME.fullmatch(plugin):
        raise InvalidRequestError(
            f"a project cannot be called {project!r}: give a --name of letters, digits, - and _ "
            "that begins with a letter"
        )
    return f"{plugin}_tasks" if keyword.iskeyword(plugin) or plugin in _TAKEN else plugin


# Modules that a plugin of that name would hide.
_TAKEN: Final = frozenset(
    {"dioptra", "dioptra_ray", "json", "random", "ray", "statistics", "tests"}
)


def _templates(folder: Traversable, below: str) -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        path = f"{below}{entry.name}"
        if entry.is_dir():
            yield from _templates(entry, f"{path}/")
        elif path.endswith(_SUFFIX):
            yield path.removesuffix(_SUFFIX), entry.read_text(encoding="utf-8")
