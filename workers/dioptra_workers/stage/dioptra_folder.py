"""The folder `.dioptra` that a step finds in its working directory, as in Dioptra's worker.

What is the same for every job of a plugin set is made once a node and linked to: a stage
pays for a few links.
"""

import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from dioptra_ray.plugins.activation import PluginSet
from dioptra_workers.stage.request import JobContext

_FOLDERS = ("artifacts", "deserialize")
_ARCHIVES = ("plugins.tar.gz", "serialize.tar.gz")
_SCHEMA = "experiment_schema.json"


def write_dioptra_folder(directory: Path, plugin_set: PluginSet, job: JobContext) -> None:
    """Make `.dioptra` in a working directory that has none, or only artifacts in it."""
    shared = _shared(plugin_set)
    place = f"{directory}/.dioptra"
    os.makedirs(place, exist_ok=True)  # noqa: PTH103 - on the path of every stage, no Paths
    for name in _FOLDERS:
        os.makedirs(f"{place}/{name}", exist_ok=True)  # noqa: PTH103 - likewise
    for name in ("plugins", "serialize"):
        os.symlink(plugin_set.root, f"{place}/{name}")  # noqa: PTH211 - likewise
    for name in (*_ARCHIVES, _SCHEMA):
        os.symlink(f"{shared}/{name}", f"{place}/{name}")  # noqa: PTH211 - likewise
    arguments = {"job_id": job.job_id, "experiment": job.experiment}
    Path(place, "args.json").write_text(json.dumps(arguments), encoding="utf-8")


def _shared(plugin_set: PluginSet) -> Path:
    """What all jobs of the set share, beside its directory; made by whoever comes first."""
    folder = plugin_set.root.with_name(f"{plugin_set.root.name}.files")
    if folder.is_dir():
        return folder
    # Once a node: stages have no need of what checks descriptions.
    from dioptra_ray.language.validation.schema import SCHEMA  # noqa: PLC0415

    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        for name in _ARCHIVES:
            with tarfile.open(partial / name, "w:gz") as archive:
                for plugin in sorted(plugin_set.root.iterdir()):
                    archive.add(plugin, plugin.name, filter=_no_bytecode)
        (partial / _SCHEMA).write_text(json.dumps(SCHEMA), encoding="utf-8")
        partial.chmod(0o755)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _no_bytecode(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry
