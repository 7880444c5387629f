"""Plugin sets to activate."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from dioptra_ray.plugins.activation import PluginSet, forget

MakeSet = Callable[..., PluginSet]


@pytest.fixture
def make_set(tmp_path: Path) -> Iterator[MakeSet]:
    """Make a set of files by path, "plugin/module.py", whose texts may be
    indented; it is forgotten afterwards."""
    made: list[PluginSet] = []

    def make(name: str, files: Mapping[str, str]) -> PluginSet:
        root = tmp_path / name
        for file, source in files.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(dedent(source).lstrip())
        made.append(PluginSet(key=f"{tmp_path}:{name}", root=root))
        return made[-1]

    yield make
    for plugin_set in made:
        forget(plugin_set.key)
