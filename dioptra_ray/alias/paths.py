"""What older plugins import from `dioptra.sdk.utilities.paths`."""

import contextlib
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

__all__ = ["clear_directory", "set_cwd", "set_path_ext"]


def set_path_ext(filepath: str | Path, ext: str) -> Path:
    """Give a file name another extension in place of all that it has."""
    path = Path(filepath)
    stem = path.name.removesuffix("".join(path.suffixes))
    return path.with_name(f"{stem}.{ext.lstrip('.')}")


def set_cwd(temp_cwd: str | Path) -> AbstractContextManager[None]:
    """Work in another directory for a while."""
    return contextlib.chdir(temp_cwd)


def clear_directory(dir_: str | Path) -> None:
    """Remove everything in a directory, but not the directory."""
    directory = Path(dir_)
    for entry in list(directory.iterdir()) if directory.is_dir() else ():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
