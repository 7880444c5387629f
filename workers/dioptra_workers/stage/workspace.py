"""Working directories: what is in them, and their end.

Steps see the files that the steps before them left, whatever process those ran in: what a
stage did to its working directory (`packing.py`) is merged with what others did
(`merging.py`) and laid out (`laying.py`) for every stage after it.
"""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Stamp = tuple[int, int, int, int, int]
Stamps = Mapping[str, Stamp]

_OWN = ".dioptra"
"""Files of ours inside a working directory; they do not travel."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What is in a directory.

    Attributes:
        stamps: What identifies each entry's present state, by path relative to it, sorted
            within each folder.
        unreadable: Folders that could not be looked into.
    """

    stamps: Stamps
    unreadable: tuple[str, ...]


def scan(root: Path) -> Scan:
    """Look into a working directory; links are not followed."""
    unreadable: list[str] = []
    stamps = dict(_walk(str(root), "", unreadable))
    return Scan(stamps, tuple(unreadable))


def _walk(root: str, below: str, unreadable: list[str]) -> Iterator[tuple[str, Stamp]]:
    try:
        with os.scandir(f"{root}/{below}") as found:
            entries = sorted(found, key=lambda item: item.name)
    except FileNotFoundError:  # what the stage has started is still at work
        return
    except PermissionError:
        unreadable.append(below.rstrip("/"))
        return
    for entry in entries:
        path = f"{below}{entry.name}"
        if path == _OWN:
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(status.st_mode):
            # The rest of a folder's stamp would change with every file in it.
            yield path, (status.st_mode, 0, 0, 0, 0)
            yield from _walk(root, f"{path}/", unreadable)
        else:
            # The time of the last change tells of contents that were written in place by
            # somebody who then set the time of modification back, as `shutil.copy2` does.
            times = (status.st_mtime_ns, status.st_ctime_ns)
            yield path, (status.st_mode, *times, status.st_size, status.st_ino)


def remove(root: Path) -> None:
    """Remove a working directory; most hold a few files and nothing else."""
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                os.unlink(entry.path)  # noqa: PTH108 - no Path for each of them
        root.rmdir()
    except OSError:
        shutil.rmtree(root, ignore_errors=True)
        if root.exists():
            _allow(root)
            shutil.rmtree(root, ignore_errors=True)


def _allow(root: Path) -> None:
    """Give back what a step has forbidden itself."""
    for folder, names, _ in os.walk(root):
        for name in names:
            place = Path(folder, name)
            if not place.is_symlink():
                place.chmod(stat.S_IRWXU)
