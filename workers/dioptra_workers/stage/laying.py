"""Laying out the files that a stage finds in its working directory."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from dioptra_ray.errors import DataLossError, NotFoundError
from dioptra_workers.stage.delta import Entry
from dioptra_workers.stage.merging import Found
from dioptra_workers.stage.scratch import Scratch, StoredFile

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def lay_out(root: Path, tree: Mapping[str, Found], scratch: Scratch) -> None:
    """Make a directory look as `tree` says; what is not mentioned stays.

    Raises:
        DioptraError: A large file cannot be had from the store.
    """
    if not tree:
        return
    ordered = sorted(tree.items())
    for path, found in reversed(ordered):
        if found.entry.kind == "gone":
            _remove(root / path, only_empty=True)
    folders = [found.entry for _, found in ordered if found.entry.kind == "folder"]
    for folder in folders:
        _make_folder(root / folder.path)
    for path, found in ordered:
        if found.entry.kind in ("file", "link", "fifo"):
            _put(root / path, found, scratch)
    # Last, and from below: a folder may forbid to write into it.
    for folder in reversed(folders):
        (root / folder.path).chmod(folder.mode)


def _make_folder(place: Path) -> None:
    if not place.is_dir() or place.is_symlink():
        _remove(place)
        place.mkdir(mode=0o755, parents=True)


def _put(place: Path, found: Found, scratch: Scratch) -> None:
    entry = found.entry
    _remove(place)
    if not place.parent.is_dir():  # made by nobody that is known: it lost its own entry
        place.parent.mkdir(parents=True)
    if entry.kind == "link":
        os.symlink(entry.target, place)  # noqa: PTH211 - exactly this text
    elif entry.kind == "fifo":
        os.mkfifo(place)
        place.chmod(entry.mode)
    elif entry.stored is not None:
        _fetch(entry.stored, place, found, scratch)
        _finish(place, entry)
    else:
        file = os.open(place, _FLAGS, 0o600)
        try:
            content = found.delta.content_of(entry)
            while content:
                content = content[os.write(file, content) :]
        finally:
            os.close(file)
        _finish(place, entry)


def _fetch(stored: StoredFile, place: Path, found: Found, scratch: Scratch) -> None:
    try:
        scratch.get_file(stored, place)
    except (NotFoundError, DataLossError) as error:
        path, label = found.entry.path, found.delta.label
        raise DataLossError(
            f"{path}, a large file that {label} left, cannot be had from the store: {error}"
        ) from error


def _finish(place: Path, entry: Entry) -> None:
    os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns))
    place.chmod(entry.mode)


def _remove(place: Path, *, only_empty: bool = False) -> None:
    if place.is_dir() and not place.is_symlink():
        if not only_empty:
            shutil.rmtree(place)
        elif not any(place.iterdir()):
            place.rmdir()
    else:
        place.unlink(missing_ok=True)
