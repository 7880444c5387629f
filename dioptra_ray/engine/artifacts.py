"""Calling artifact tasks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from dioptra_ray.artifact import ArtifactTaskInterface
from dioptra_ray.engine.errors import (
    ArtifactFailedError,
    ArtifactTaskNotFoundError,
    JobCancelledError,
)
from dioptra_ray.engine.failure import describe_exception
from dioptra_ray.engine.outputs import unpack
from dioptra_ray.plugins.activation import active_root


def load_artifact_task(task_class_id: str) -> type[ArtifactTaskInterface]:
    """Import an artifact task by its id, "plugin.module.Class".

    Raises:
        ArtifactTaskNotFoundError: There is no such class, or it is no artifact task.
    """
    module, _, name = task_class_id.rpartition(".")
    if not module:
        raise ArtifactTaskNotFoundError(
            f"{task_class_id!r} does not say where the artifact task is: "
            "it must be like 'plugin.module.Class'."
        )
    try:
        found = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ArtifactTaskNotFoundError(
            f"There is no module {error.name!r} to take the artifact task {name!r} from."
        ) from None
    if not isinstance(found, type) or not issubclass(found, ArtifactTaskInterface):
        raise ArtifactTaskNotFoundError(
            f"Module {module!r} has no class {name!r} that inherits ArtifactTaskInterface."
        )
    return found


def serialize(
    task_class_id: str, *, working_dir: Path, name: str, contents: Any, args: Mapping[str, Any]
) -> Path:
    """Let an artifact task write `contents`; return the absolute path of what it made."""
    task = load_artifact_task(task_class_id)
    path = task.serialize(working_dir=working_dir, name=name, contents=contents, **args)
    if not isinstance(path, Path):
        raise TypeError(
            f"{task_class_id}.serialize must return a pathlib.Path, not {type(path).__name__}."
        )
    absolute = working_dir.absolute() / path
    if not absolute.exists():
        raise FileNotFoundError(f"{task_class_id}.serialize returned {path}, which does not exist.")
    return absolute


def read_artifact(
    task_class_id: str,
    *,
    working_dir: Path,
    path: str | Path,
    output_names: Sequence[str],
    name: str = "",
) -> dict[str, Any]:
    """Let an artifact task read a file or directory.

    Args:
        task_class_id: "plugin.module.Class".
        working_dir: The directory that holds it.
        path: Its name in there.
        output_names: One name takes the whole value; several have it unpacked.
        name: The artifact parameter, for messages.

    Raises:
        ArtifactFailedError: It cannot be read.
    """
    with failing_as_artifact(name, "read", step=f"artifacts.{name}"):
        task = load_artifact_task(task_class_id)
        value = task.deserialize(working_dir=working_dir, path=str(path))
        if len(output_names) == 1:
            return {output_names[0]: value}
        return unpack(value, tuple(output_names), what=f"artifact parameter {name!r}")


def argument_schema(task_class_id: str) -> dict[str, Any] | None:
    """The JSON schema properties of what `serialize` takes; None when the task has none."""
    try:
        return load_artifact_task(task_class_id).validation()
    except NotImplementedError:
        return None


@contextmanager
def failing_as_artifact(
    name: str,
    done: Literal["read", "written"],
    *,
    step: str | None = None,
    steps: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[None]:
    """Let whatever the body raises be the failure of an artifact."""
    try:
        yield
    except JobCancelledError:
        raise
    except BaseException as error:
        detail = describe_exception(error, active_root())
        raise ArtifactFailedError(
            f"Artifact {name!r} cannot be {done}: {detail}{detail.place}",
            artifact=name,
            step=step,
            detail=detail,
            steps=steps if steps is not None else {},
        ) from error
