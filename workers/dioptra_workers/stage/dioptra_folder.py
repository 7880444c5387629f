"""The folder `.dioptra` that a step finds in its working directory, as in Dioptra's worker.

What is the same for every job of a plugin set is made once a node and linked to. A process
that runs one stage after another takes the folder that a stage has not touched to the next
one: each thing in it that is made or removed costs a busy disk a good part of a millisecond.
"""

import json
import os
import shutil
import stat
import tarfile
import tempfile
from pathlib import Path

from dioptra_ray.plugins.activation import PluginSet
from dioptra_workers.stage.request import JobContext

_FOLDERS = ("artifacts", "deserialize")
_ARCHIVES = ("plugins.tar.gz", "serialize.tar.gz")
_SCHEMA = "experiment_schema.json"
_ARGUMENTS = "args.json"
_SPARE = 4
# What a step finds whose umask is 022.
_NEW_FOLDER, _NEW_FILE = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o644

# By the root of a plugin set: a folder of a stage that has ended, as if it were new.
_spare: dict[Path, str] = {}
# The folder that was made last, and the root of its plugin set.
_latest: tuple[str, Path] | None = None


def write_dioptra_folder(directory: Path, plugin_set: PluginSet, job: JobContext) -> None:
    """Make `.dioptra` in a working directory that has none, or only artifacts in it."""
    global _latest  # noqa: PLW0603 - of the process, like the directory that it works in
    place, shared = f"{directory}/.dioptra", _shared(plugin_set)
    if not _take_spare(plugin_set.root, place):
        os.makedirs(place, exist_ok=True)  # noqa: PTH103 - on the path of every stage, no Paths
        for name in _FOLDERS:
            os.makedirs(f"{place}/{name}", exist_ok=True)  # noqa: PTH103 - likewise
        for name, target in _links(plugin_set.root, shared).items():
            os.symlink(target, f"{place}/{name}")  # noqa: PTH211 - likewise
    arguments = {"job_id": job.job_id, "experiment": job.experiment}
    _write(f"{place}/{_ARGUMENTS}", json.dumps(arguments).encode())
    _latest = place, plugin_set.root


def keep_dioptra_folder(directory: Path) -> None:
    """Keep the folder of a stage that has ended for the next one, if it is as it was made."""
    global _latest
    if _latest is None or _latest[0] != f"{directory}/.dioptra":
        return
    (place, root), _latest = _latest, None
    spare = f"{root.parent}/.dioptra-{os.getpid()}-{root.name}"
    try:
        if _is_untouched(place, root):
            os.rename(place, spare)  # noqa: PTH104 - see above
            _spare[root] = spare
    except OSError:
        return  # it is removed with the directory
    if len(_spare) > _SPARE:
        shutil.rmtree(_spare.pop(next(iter(_spare))), ignore_errors=True)


def _take_spare(root: Path, place: str) -> bool:
    spare = _spare.pop(root, None)
    if spare is None:
        return False
    try:
        os.rename(spare, place)  # noqa: PTH104 - see above
    except OSError:  # artifacts are in place already, or somebody has removed it
        shutil.rmtree(spare, ignore_errors=True)
        return False
    return True


def _is_untouched(place: str, root: Path) -> bool:
    links = _links(root, _shared_place(root))
    folders = [f"{place}/{name}" for name in _FOLDERS]
    arguments = os.lstat(f"{place}/{_ARGUMENTS}")
    return (
        set(os.listdir(place)) == {*_FOLDERS, _ARGUMENTS, *links}  # noqa: PTH208 - see above
        and all(os.lstat(folder).st_mode == _NEW_FOLDER for folder in (place, *folders))
        and not any(map(os.listdir, folders))
        and all(os.readlink(f"{place}/{name}") == to for name, to in links.items())  # noqa: PTH115
        # The next stage writes into it: nobody else may have it.
        and arguments.st_mode == _NEW_FILE
        and arguments.st_nlink == 1
    )


def _links(root: Path, shared: Path) -> dict[str, str]:
    """Where each link leads."""
    return {
        "plugins": str(root),
        "serialize": str(root),
        **{name: f"{shared}/{name}" for name in (*_ARCHIVES, _SCHEMA)},
    }


def _write(path: str, content: bytes) -> None:
    # Not emptied first, for which some file systems wait until it is on the disk.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        os.write(file, content)
        os.ftruncate(file, len(content))
    finally:
        os.close(file)


def _shared_place(root: Path) -> Path:
    return root.with_name(f"{root.name}.files")


def _shared(plugin_set: PluginSet) -> Path:
    """What all jobs of the set share, beside its directory; made by whoever comes first."""
    folder = _shared_place(plugin_set.root)
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
