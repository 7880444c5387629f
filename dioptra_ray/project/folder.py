"""Projects on disk: the files that belong to one, and one entrypoint put together."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dioptra_ray.errors import InvalidDescriptionError, NotFoundError
from dioptra_ray.language.suggestions import did_you_mean
from dioptra_ray.plugins.bundle import read_folder
from dioptra_ray.project.compose import ComposedEntrypoint, compose_description
from dioptra_ray.project.reader import read_project

CONFIG_NAME: Final = "dioptra.toml"


def compose_entrypoint(project: str | Path, name: str) -> ComposedEntrypoint:
    """Read an entrypoint of a project; its description can be given to `dioptra_ray.local.run`.

    Args:
        project: The folder with a `dioptra.toml`, or that file.
        name: Of the entrypoint.

    Raises:
        NotFoundError: There is no such project or entrypoint.
        InvalidDescriptionError: Something is wrong with either; `issues` has all of it.
    """
    path = Path(project)
    config = path / CONFIG_NAME if path.is_dir() else path
    read = read_project(read_files(config), config.name)
    found = next((one for one in read.entrypoints if one.name == name), None)
    if found is None:
        names = [one.name for one in read.entrypoints]
        raise NotFoundError(
            f"The project has no entrypoint {name!r}.{did_you_mean(name, names)} "
            f"It has: {', '.join(names) or 'none'}.",
            entrypoint=name,
        )
    composed = compose_description(found, plugins=read.plugins, types=read.types)
    errors = [issue for issue in composed.issues if issue.severity == "error"]
    if errors:
        raise InvalidDescriptionError(
            f"Entrypoint {name!r} has {len(errors)} error(s); the first: {errors[0].message}",
            composed.issues,
        )
    return composed


def read_files(config: Path) -> dict[str, bytes]:
    """The registration and what it names, by path relative to its folder.

    What is wrong with it is for the reader to say, all at once and with positions: what is
    not there, or outside of the folder, is left out here, and missed there.

    Raises:
        NotFoundError: There is no such file.
        ExhaustedError: A plugin folder holds too much.
    """
    try:
        content = config.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise NotFoundError(f"There is no file {str(config)!r}.", file=str(config)) from None
    files = {config.name: content}
    root = config.resolve().parent
    for named in named_paths(content):
        target = (root / named).resolve()
        if not target.is_relative_to(root) or target == root:
            continue
        relative = target.relative_to(root).as_posix()
        if target.is_dir():
            files |= {f"{relative}/{path}": data for path, data in read_folder(target).items()}
        elif target.is_file():
            files[relative] = target.read_bytes()
    return files


def named_paths(content: bytes) -> Iterator[str]:
    """The paths of plugins and entrypoints that a registration names; none if it is no TOML."""
    try:
        data: Mapping[str, Any] = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):  # said by the reader, with its place
        return
    for key in ("plugins", "entrypoints"):
        entries = data.get(key)
        for entry in entries if isinstance(entries, list) else ():
            path = entry.get("path") if isinstance(entry, Mapping) else None
            if isinstance(path, str) and path and "\0" not in path:
                yield path
