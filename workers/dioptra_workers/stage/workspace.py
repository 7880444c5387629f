"""Working directories, and the files that travel between them.

Steps see the files that the steps before them wrote, whatever process those ran in: a
stage's new and changed files, its delta, are laid out in the working directory of every
stage that lists it. Deleted files are not tracked.
"""

import io
import os
import pickle
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from dioptra_workers.stage.payload import Payload

Stamps = Mapping[str, tuple[int, int, int]]

_OWN = ".dioptra"
"""Files of ours inside a working directory; they do not travel."""


def remove(root: Path) -> None:
    """Remove a working directory; most hold a few files and nothing else."""
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                os.unlink(entry.path)  # noqa: PTH108 - no Path for each of them
        root.rmdir()
    except OSError:
        shutil.rmtree(root, ignore_errors=True)


def stamps(root: Path) -> Stamps:
    """What identifies each entry's present content, by path relative to `root`."""
    return dict(_walk(root, ""))


def _walk(root: Path, below: str) -> Iterator[tuple[str, tuple[int, int, int]]]:
    with os.scandir(root / below) as entries:
        for entry in sorted(entries, key=lambda item: item.name):
            path = f"{below}{entry.name}"
            if path == _OWN:
                continue
            if entry.is_dir(follow_symlinks=False):
                # A directory's own stamp would change with every file in it.
                yield path, (0, 0, 0)
                yield from _walk(root, path + "/")
            else:
                status = entry.stat(follow_symlinks=False)
                yield path, (status.st_mtime_ns, status.st_size, status.st_ino)


def pack_delta(root: Path, before: Stamps) -> Payload:
    """The entries below `root` that are new or changed since `before`."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, stamp in stamps(root).items():
            if before.get(path) == stamp:
                continue
            member = archive.gettarinfo(root / path, arcname=path)
            if member is None:
                continue  # a socket
            if member.issym():
                member.linkname = _portable(root, path, member.linkname)
            if member.isreg():
                with (root / path).open("rb") as content:
                    archive.addfile(member, content)
            else:
                archive.addfile(member)
    return Payload((pickle.PickleBuffer(file.getbuffer()),))


def _portable(root: Path, path: str, target: str) -> str:
    """A link into the working directory, made relative: the directory has no fixed place."""
    if not target.startswith(f"{root}/"):
        return target
    return os.path.relpath(target, (root / path).parent)


def apply_delta(root: Path, delta: Payload) -> None:
    """Lay the delta's entries out below `root`, over what is there."""
    with tarfile.open(fileobj=io.BytesIO(memoryview(delta.buffers[0])), mode="r:") as archive:
        # Made by another stage of the same job, which may write anywhere it likes itself.
        archive.extractall(root, filter="fully_trusted")  # noqa: S202
