"""Removes what killed stages have left on their node, and plugin sets that are not used."""

import functools
import shutil
import time
from contextlib import suppress
from pathlib import Path

from dioptra_workers.holding import remove_unheld

STAGES_KEPT = 3600.0
"""Seconds: so long the runner may want to read what a stage has left that died."""

SETS_KEPT = 7 * 24 * 3600.0
"""Seconds that an extracted plugin set stays unused."""

MOST_SETS = 64
"""Of one node; those longest unused go first."""

JUST_USED = 60.0
"""Seconds: who has just found a set may not hold it yet."""


@functools.cache
def sweep_once(scratch: str) -> None:
    """Sweep a scratch directory, once a process; what cannot be removed stays."""
    with suppress(OSError):
        sweep_stages(Path(scratch, "stages"))
    with suppress(OSError):
        sweep_sets(Path(scratch, "plugins"))


def sweep_stages(folder: Path, *, idle_seconds: float = STAGES_KEPT) -> None:
    """Remove directories of stages that do not run any more, and what lies beside them."""
    before = time.time() - idle_seconds
    for entry in tuple(folder.iterdir()):
        if entry.lstat().st_mtime > before:
            continue
        if entry.is_dir():
            remove_unheld(entry, idle_seconds=idle_seconds)
        elif not entry.with_suffix("").is_dir():
            entry.unlink(missing_ok=True)


def sweep_sets(cache: Path) -> None:
    """Keep as many plugin sets as there may be; none that is in use is removed."""
    found = []
    for entry in tuple(cache.iterdir()):
        if entry.name.startswith("."):
            # Whoever was extracting, or removing, this has not ended it.
            if time.time() - entry.stat().st_mtime > STAGES_KEPT:
                shutil.rmtree(entry, ignore_errors=True)
        else:
            found.append((entry.stat().st_mtime, entry))
    found.sort(reverse=True)
    for number, (_, entry) in enumerate(found):
        kept = SETS_KEPT if number < MOST_SETS else JUST_USED
        remove_unheld(entry, idle_seconds=kept)
