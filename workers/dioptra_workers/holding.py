"""Directories that tell whether anybody uses them, also when he was killed and cannot say so.

Whoever uses one holds a lock on it, which goes with his process. What nobody holds, and
nobody has touched for a while, was left behind.
"""

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def hold(directory: Path) -> int:
    """Use a directory until the descriptor is closed, or this process ends.

    Raises:
        FileNotFoundError: It is not there, or somebody removes it in this moment.
    """
    descriptor = os.open(directory, _OPEN)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        directory.stat()
    except BlockingIOError:
        os.close(descriptor)
        raise FileNotFoundError(directory) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def remove_unheld(directory: Path, *, idle_seconds: float) -> bool:
    """Remove a directory that nobody uses, nor has used for so long; say whether it is gone."""
    try:
        descriptor = os.open(directory, _OPEN)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.time() - os.fstat(descriptor).st_mtime < idle_seconds:
            return False
        # Under another name first: nobody finds half of it.
        doomed = Path(tempfile.mkdtemp(prefix=".gone-", dir=directory.parent))
        directory.rename(doomed / "it")
    except OSError:
        return False
    finally:
        os.close(descriptor)
    shutil.rmtree(doomed, ignore_errors=True)
    return True


def make_temporary(prefix: str, *, idle_seconds: float = 3600.0) -> Path:
    """A directory of this process in /tmp; those of killed processes are removed.

    It has a short path, as sockets need one.
    """
    for other in Path("/tmp").glob(f"{prefix}*"):  # noqa: S108 - as said
        with suppress(OSError):
            if other.stat().st_uid == os.getuid():
                remove_unheld(other, idle_seconds=idle_seconds)
    made = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    hold(made)
    return made
