"""What a local run leaves."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dioptra_ray.context import MetricPoint


@dataclass(slots=True, kw_only=True)
class RunResult:
    """The outcome of a run that succeeded.

    The files of a run in a temporary directory are gone with it, except its artifacts:
    those are kept in a folder of the result, which is removed by `close()`, at the end of
    a `with` block, or when the interpreter exits.

    Attributes:
        steps: Outputs by step and output name; steps without declared outputs are absent.
        artifacts: File or directory by artifact output.
        order: The steps in the order in which they ran.
        parameters: The parameters, defaults included.
        metrics: What plugins logged, in order.
    """

    steps: dict[str, dict[str, Any]]
    artifacts: dict[str, Path]
    order: list[str]
    parameters: dict[str, Any]
    metrics: list[MetricPoint]
    _remove: Callable[[], None] | None = field(default=None, repr=False)

    def keep_artifacts(self) -> None:
        """Copy the artifacts to a folder of the result's own."""
        folder = Path(tempfile.mkdtemp(prefix="dioptra-ray-artifacts-"))
        self._remove = partial(shutil.rmtree, folder, ignore_errors=True)
        atexit.register(self._remove)
        self.artifacts = copy_all(self.artifacts, folder)

    def close(self) -> None:
        """Remove the artifacts that the result keeps."""
        if self._remove is not None:
            self._remove()
            atexit.unregister(self._remove)
            self._remove = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def copy_all(sources: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """Copy files and directories to `folder/<name>/<basename>`, links as what they lead to."""
    return {name: copy(source, folder / name) for name, source in sources.items()}


def copy(source: Path, folder: Path) -> Path:
    """Copy a file or directory into a new `folder`, links as what they lead to."""
    folder.mkdir(parents=True)
    target = folder / source.name
    if source.is_dir():
        shutil.copytree(source, target, ignore_dangling_symlinks=True)
    else:
        shutil.copy2(source, target)
    return target
