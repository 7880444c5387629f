"""One job, in this process."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from dioptra_ray.context import CurrentJob, MetricPoint, bind
from dioptra_ray.engine import (
    Execution,
    Observer,
    StepFailedError,
    argument_schema,
    failing_as_artifact,
    resolve_parameters,
)
from dioptra_ray.errors import InvalidDescriptionError, NotFoundError
from dioptra_ray.language import load, validate
from dioptra_ray.language.graph import execution_order
from dioptra_ray.language.swaps import render
from dioptra_ray.local.artifacts import Artifact, find_tasks, read_given, used_tasks
from dioptra_ray.local.logs import structlog_through_logging
from dioptra_ray.local.result import RunResult
from dioptra_ray.local.workspace import workspace, write_job_files
from dioptra_ray.plugins.activation import PluginSet, activate, forget

_LOG = logging.getLogger("dioptra_ray.local")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    description: Mapping[str, Any]
    parameters: Mapping[str, Any]
    artifacts: Mapping[str, Artifact]
    artifact_tasks: Mapping[str, str] | None
    plugins: "_Plugins"
    name: str
    observer: Observer | None


def run(  # noqa: PLR0913 - what a job takes, each by name
    description: Mapping[str, Any] | str | Path,
    parameters: Mapping[str, Any] | None = None,
    plugins_dir: str | Path | None = None,
    artifacts: Mapping[str, Artifact] | None = None,
    working_dir: str | Path | None = None,
    *,
    name: str = "entrypoint",
    artifact_tasks: Mapping[str, str] | None = None,
    observer: Observer | None = None,
    swaps: Mapping[str, str] | None = None,
) -> RunResult:
    """Validate a description and run it as Dioptra would: all steps here, one after another.

    While it runs, the process works in the job's directory; afterwards that, the
    environment and `sys.path` are as before. Plugin modules are loaded anew in each run.

    Args:
        description: The description, or its text, or the path of its file.
        parameters: Their values; defaults for the others.
        plugins_dir: Holds one folder a plugin. None: what can be imported anyway.
        artifacts: A file or directory for each artifact parameter.
        working_dir: The directory shared by the steps. None: a temporary one, removed after
            the run; the artifacts are then kept by the result, see `RunResult`.
        name: Of the entrypoint; the description is put into the directory as `<name>.yml`.
        artifact_tasks: "plugin.module.Class" by artifact task name. None: the classes of
            the plugins, by class name.
        observer: Hears of every step.
        swaps: The alias chosen for each swap of the graph, by the swap's name.

    Raises:
        InvalidDescriptionError: The description has errors; `issues` lists all of them.
        MissingParametersError: A parameter without a default was not given.
        StepFailedError: A step failed, or as `ArtifactFailedError` an artifact.
    """
    folder = None if working_dir is None else Path(working_dir)
    artifacts = {key: _with_absolute_paths(value) for key, value in (artifacts or {}).items()}
    with _Plugins(plugins_dir) as plugins:
        request = _Request(
            description=render(
                description if isinstance(description, Mapping) else load(description), swaps or {}
            ),
            parameters=parameters or {},
            artifacts=artifacts,
            artifact_tasks=artifact_tasks,
            plugins=plugins,
            name=name,
            observer=observer,
        )
        with _interruptible(), structlog_through_logging(), workspace(folder) as directory:
            result = _run(request, directory)
            if folder is None and result.artifacts:
                result.keep_artifacts()
    return result


class _Plugins:
    """The plugin sets of one run; each run has its own, so that modules start afresh."""

    def __init__(self, plugins_dir: str | Path | None) -> None:
        self.folder = None if plugins_dir is None else Path(plugins_dir).resolve()
        self._sets: dict[Path, PluginSet] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for plugin_set in self._sets.values():
            forget(plugin_set.key)

    def active(self, folder: str | Path | None = None) -> AbstractContextManager[None]:
        """Activates the plugins in `folder`, or those of the run."""
        root = self.folder if folder is None else Path(folder)
        if root is None:
            return nullcontext()
        if not root.is_dir():
            raise NotFoundError(f"There is no plugins directory {str(root)!r}.")
        if root not in self._sets:
            self._sets[root] = PluginSet(key=f"local:{uuid4()}", root=root)
        return activate(self._sets[root], fresh=False)


def _run(request: _Request, directory: Path) -> RunResult:
    artifact_tasks = _check(request)
    description, plugins = request.description, request.plugins
    artifacts = {key: item for key, item in request.artifacts.items() if _is_declared(request, key)}
    values: dict[str, dict[str, Any]] = {}
    for key, artifact in artifacts.items():
        with plugins.active(artifact.plugins_dir):
            values[key] = read_given(description, key, artifact, directory)
    parameters = resolve_parameters(description, request.parameters)
    sources = {key: {"path": str(item.path), "task": item.task} for key, item in artifacts.items()}
    write_job_files(
        directory,
        name=request.name,
        description=description,
        parameters=parameters,
        artifacts=sources,
    )
    metrics: list[MetricPoint] = []
    job = CurrentJob(parameters=parameters, working_directory=directory, metric_sink=metrics.append)
    execution = Execution(
        description,
        parameters=parameters,
        artifacts=values,
        working_dir=directory,
        artifact_tasks=artifact_tasks,
        observer=request.observer,
    )
    order = execution_order(description)
    with plugins.active(), bind(job):
        for step in order:
            execution.run_step(step)
        outputs = description.get("artifact_outputs") or {}
        written = {key: execution.write_artifact(key) for key in outputs}
    return RunResult(
        steps=execution.outputs,
        artifacts=written,
        order=order,
        parameters=parameters,
        metrics=metrics,
    )


def _check(request: _Request) -> Mapping[str, str]:
    """Validate the description; return the artifact tasks that it uses."""
    used, plugins = used_tasks(request.description), request.plugins
    tasks = request.artifact_tasks
    if tasks is None and plugins.folder is not None and used:
        tasks = find_tasks(used, plugins.folder, plugins.active())
    tasks = tasks or {}
    schemas: dict[str, Any] = {}
    with plugins.active():
        for task in used.keys() & tasks.keys():
            with failing_as_artifact(used[task], "written"):
                schemas[task] = argument_schema(tasks[task])
    issues = validate(request.description, artifact_tasks=schemas)
    for issue in issues:
        if issue.severity == "warning":
            _LOG.warning("%s: %s", issue.path, issue.message)
    if errors := [issue for issue in issues if issue.severity == "error"]:
        raise InvalidDescriptionError(
            f"The description has {len(errors)} error(s); the first: {errors[0].message}", issues
        )
    return tasks


def _is_declared(request: _Request, name: str) -> bool:
    if name in (request.description.get("artifact_inputs") or {}):
        return True
    _LOG.warning("The entrypoint has no artifact parameter %r; it is ignored", name)
    return False


def _with_absolute_paths(artifact: Artifact) -> Artifact:
    folder = artifact.plugins_dir
    return Artifact(
        path=Path(artifact.path).absolute(),
        task=artifact.task,
        plugins_dir=None if folder is None else Path(folder).resolve(),
    )


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C stop the run instead of failing a step."""
    try:
        yield
    except StepFailedError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise error.__cause__ from None
        raise
