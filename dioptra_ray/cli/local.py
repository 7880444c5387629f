"""`dioptra-ray run --local`: the same description in this process, told in the same words."""

import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from dioptra_ray.cli.description import Described, describe
from dioptra_ray.cli.exits import FAILED
from dioptra_ray.cli.follow import coloured, log_line
from dioptra_ray.cli.output import Output, cell, seconds
from dioptra_ray.cli.wording import WHERE_PLUGINS_ARE, clean
from dioptra_ray.context import MetricPoint, current_job
from dioptra_ray.engine.errors import StepFailedError
from dioptra_ray.errors import DioptraError, InvalidRequestError
from dioptra_ray.local import Artifact, RunResult, run
from dioptra_ray.plugins.coerce import coerce
from dioptra_ray.wire.jobs import LogRecord

STDOUT: Final = 1
STDERR: Final = 2
# What coercion calls the types that descriptions have, and the types of defaults.
_KINDS: Final = {"string": "string", "boolean": "boolean", "integer": "integer", "number": "float"}
_BY_DEFAULT: Final = {
    bool: "boolean",
    int: "integer",
    float: "float",
    list: "list",
    dict: "mapping",
}


def run_locally(  # noqa: PLR0913 - one argument an option
    file: Path,
    *,
    parameters: Mapping[str, str],
    artifacts: Mapping[str, str],
    swaps: Mapping[str, str],
    plugins_dir: Path | None,
    working_dir: Path | None,
    output: Output,
) -> int:
    """Run a description in this process; return the exit code."""
    described = describe(file, plugins_dir)
    described.check()
    described = described.choose(swaps)
    values = {name: read_text(described, name, text) for name, text in parameters.items()}
    given = {name: _read_artifact(name, text) for name, text in artifacts.items()}
    started = time.monotonic()
    with _plugins_folder(described, plugins_dir) as folder, _logging(output):
        try:
            with _stdout_kept_for_json() if output.is_json else nullcontext():
                result = run(
                    described.description,
                    parameters=values,
                    plugins_dir=folder,
                    artifacts=given,
                    working_dir=working_dir,
                    name=file.stem,
                    artifact_tasks=described.artifact_tasks or None,
                    observer=_Steps(output),
                )
        except StepFailedError as error:
            _show_failure(error, output, time.monotonic() - started)
            if error.error_type == "UnknownPackageError" and folder is None:
                output.note(WHERE_PLUGINS_ARE)
            return FAILED
    _show_result(result, output, time.monotonic() - started, is_kept=working_dir is not None)
    return 0


def read_text(described: Described, name: str, text: str) -> Any:
    """The value that a text stands for, by the type or else the default of its parameter.

    Raises:
        InvalidRequestError: There is no such parameter, or the text is none of its values.
    """
    declared = described.description.get("parameters") or {}
    if name not in declared:
        known = ", ".join(declared) or "none"
        raise InvalidRequestError(f"there is no parameter {name!r}; the entrypoint has: {known}")
    definition = declared[name]
    kind = None
    if isinstance(definition, Mapping):
        kind = definition.get("type")
        definition = definition.get("default")
    try:
        if kind is None:
            return coerce(_BY_DEFAULT.get(type(definition), "string"), text)
        return coerce(_KINDS[kind], text) if kind in _KINDS else _read_structure(text)
    except ValueError as error:
        raise InvalidRequestError(f"parameter {name!r}: {error}") from None


def _read_structure(text: str) -> Any:
    for kind in ("list", "mapping"):
        try:
            return coerce(kind, text)
        except ValueError:
            continue
    return text


def _read_artifact(name: str, text: str) -> Artifact:
    path, colon, task = text.rpartition(":")
    if not colon or not path or not task:
        raise click.BadParameter(
            f"{name}={text} is not NAME=PATH:TASK, such as model=out/model.pt:plugin.module.Class",
            param_hint="-A",
        )
    if not Path(path).exists():
        raise click.BadParameter(f"there is no file or directory {path}", param_hint="-A")
    return Artifact(path=Path(path), task=task)


class _Steps:
    """Tells what steps do."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._started = 0.0

    def step_started(self, step: str) -> None:
        self._started = time.monotonic()
        self._say(step, "running")

    def step_finished(self, step: str) -> None:
        self._say(step, "finished", f" after {seconds(time.monotonic() - self._started)}")

    def step_failed(self, step: str, error: StepFailedError) -> None:
        self._say(step, "failed", f" after {seconds(time.monotonic() - self._started)}")

    def _say(self, step: str, state: str, rest: str = "") -> None:
        now = click.style(datetime.now(UTC).astimezone().strftime("%H:%M:%S.%f")[:-3], dim=True)
        self._output.line(f"{now} step {step} {coloured(state)}{rest}")


class _LogLines(logging.Handler):
    """Prints log records as those of a deployment's jobs are printed."""

    def __init__(self, output: Output) -> None:
        super().__init__(logging.INFO)
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("dioptra_ray.engine"):
            return  # the steps are told already
        line = LogRecord(
            sequence=0,
            time=datetime.fromtimestamp(record.created, UTC),
            level=record.levelname,
            logger=record.name,
            step=_current_step(),
            message=record.getMessage(),
            attempt=0,
        )
        self._output.line(log_line(line))


def _current_step() -> str:
    try:
        return current_job().step or ""
    except DioptraError:
        return ""


@contextmanager
def _logging(output: Output) -> Iterator[None]:
    handler = _LogLines(output)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@contextmanager
def _stdout_kept_for_json() -> Iterator[None]:
    """Let steps, and the processes that they start, print to stderr: JSON alone is for scripts."""
    sys.stdout.flush()
    kept = os.dup(STDOUT)
    try:
        os.dup2(STDERR, STDOUT)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        with suppress(OSError, ValueError):  # a step may have closed it
            sys.stdout.flush()
        os.dup2(kept, STDOUT)
        os.close(kept)


@contextmanager
def _plugins_folder(described: Described, given: Path | None) -> Iterator[Path | None]:
    """The folder given, or one made of the plugins of the project."""
    if given is not None or described.project is None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="dioptra-ray-plugins-") as folder:
        for plugin in described.plugins.plugins:
            for path, content in plugin.files.items():
                target = Path(folder) / plugin.name / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        yield Path(folder)


def _show_failure(error: StepFailedError, output: Output, took: float) -> None:
    detail = error.detail
    if output.is_json:
        failure = {
            "step": error.step,
            "error_type": error.error_type,
            "message": detail.message,
            "file": detail.file,
            "line": detail.line,
            "traceback": detail.traceback,
        }
        output.json({"status": "failed", "duration": took, "failure": failure})
        return
    output.line(f"{coloured('failed')} after {seconds(took)}: {clean(error.message)}")
    output.fields(
        {
            "  step": error.step,
            "  error": error.error_type,
            "  message": detail.message,
            "  at": f"{detail.file}:{detail.line}" if detail.file else None,
        }
    )
    for line in clean(detail.traceback).rstrip().splitlines():
        output.line(f"    {line}")


def _show_result(result: RunResult, output: Output, took: float, *, is_kept: bool) -> None:
    artifacts = result.artifacts if is_kept else _keep(result.artifacts)
    metrics = last_values(result.metrics)
    if output.is_json:
        output.json(
            {
                "status": "finished",
                "duration": took,
                "order": result.order,
                "metrics": metrics,
                "artifacts": artifacts,
            }
        )
        return
    output.line(f"{coloured('finished')} after {seconds(took)}")
    if metrics:
        output.line("metrics")
        for name, value in metrics.items():
            output.line(f"  {name} = {cell(value)}")
    if artifacts:
        output.line("artifacts")
        for name, path in artifacts.items():
            output.line(f"  {name}  {path}")


def last_values(points: list[MetricPoint]) -> dict[str, float]:
    """The value at the highest step of each metric; of equal steps the last counts."""
    values: dict[str, float] = {}
    for point in sorted(points, key=lambda point: point.step):
        values[point.name] = point.value
    return dict(sorted(values.items()))


def _keep(artifacts: Mapping[str, Path]) -> dict[str, Path]:
    """Copy artifacts to where they outlive the process."""
    if not artifacts:
        return {}
    folder = Path(tempfile.mkdtemp(prefix="dioptra-ray-run-"))
    kept = {}
    for name, path in artifacts.items():
        target = folder / name / path.name
        target.parent.mkdir()
        shutil.copytree(path, target) if path.is_dir() else shutil.copy2(path, target)
        kept[name] = target
    return kept
