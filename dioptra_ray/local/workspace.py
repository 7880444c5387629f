"""The surroundings of a local run: directory, environment, and the files Dioptra puts there."""

import contextlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from dioptra_ray import alias

_LOG = logging.getLogger(__name__)


@contextmanager
def workspace(working_dir: Path | None) -> Iterator[Path]:
    """Work in a directory, a temporary one if None is given, and restore everything after."""
    with contextlib.ExitStack() as stack:
        if working_dir is None:
            temporary = tempfile.TemporaryDirectory(
                prefix="dioptra-ray-", ignore_cleanup_errors=True
            )
            working_dir = Path(stack.enter_context(temporary))
        working_dir = working_dir.absolute()
        working_dir.mkdir(parents=True, exist_ok=True)
        stack.enter_context(contextlib.chdir(working_dir))
        updates = {"__JOB_ID": os.environ.get("__JOB_ID", "0"), "PYTHONPATH": alias.search_path()}
        stack.enter_context(_environment(updates))
        stack.enter_context(_no_bytecode())
        yield working_dir


def write_job_files(
    folder: Path,
    *,
    name: str,
    description: Mapping[str, Any],
    parameters: Mapping[str, Any],
    artifacts: Mapping[str, Mapping[str, str]],
) -> None:
    """Write the files that a step may read about its job.

    A file of the user's own with such a name is left alone: only a folder that a run has
    used before, or a new file, is written to.
    """
    used_before = (folder / ".dioptra").is_dir()
    (folder / ".dioptra").mkdir(exist_ok=True)
    contents = {
        f"{name}.yml": yaml.dump(description, Dumper=_Dumper, sort_keys=False, allow_unicode=True),
        "parameters.json": json.dumps(parameters, default=str, indent=2, skipkeys=True),
        "artifact_parameters.json": json.dumps(artifacts, indent=2),
    }
    for file, text in contents.items():
        if used_before or not (folder / file).exists():
            (folder / file).write_text(text, encoding="utf-8")
        else:
            _LOG.warning("%s was there before and is not replaced", folder / file)


class _Dumper(yaml.SafeDumper):
    """Writes mappings that know their positions as plain ones, and unknown values as text."""


_Dumper.add_multi_representer(dict, yaml.SafeDumper.represent_dict)
_Dumper.add_multi_representer(object, lambda dumper, value: dumper.represent_str(str(value)))


@contextmanager
def _environment(updates: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(updates)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """Leave no `__pycache__` in the user's folders, where it could go stale between runs."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
