"""The digits example as a user has it: read, composed, and its plugins importable."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dioptra_ray.plugins.activation import PluginSet, activate, forget
from dioptra_ray.plugins.bundle import read_folder
from dioptra_ray.project import ComposedEntrypoint, Project, compose_description, read_project


@pytest.fixture(scope="session")
def digits() -> Path:
    return Path(__file__).parents[3] / "examples" / "digits"


@pytest.fixture(scope="session")
def project(digits: Path) -> Project:
    return read_project(read_folder(digits))


@pytest.fixture(scope="session")
def composed(project: Project) -> dict[str, ComposedEntrypoint]:
    return {
        entrypoint.name: compose_description(
            entrypoint, plugins=project.plugins, types=project.types
        )
        for entrypoint in project.entrypoints
    }


@pytest.fixture
def plugins(digits: Path) -> Iterator[None]:
    plugin_set = PluginSet(key="digits", root=digits / "plugins")
    with activate(plugin_set):
        yield
    forget(plugin_set.key)
