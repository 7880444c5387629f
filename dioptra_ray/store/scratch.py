"""The scratch space of a store: what an attempt of a job keeps there while it runs.

Everything of one attempt lies below `scratch/<job>-<attempt>/` and is removed when the
attempt ends. Whoever runs an attempt refreshes its folder now and then; what has not been
touched for a day belongs to an attempt whose runner has died, and is swept away.
"""

import time
from collections.abc import Iterator

from dioptra_ray.store.keys import SCRATCH, check_key
from dioptra_ray.store.protocol import ArtifactStore

GRACE = 86400.0
"""Seconds after which what nobody has touched belongs to nobody."""

_ALIVE = "alive"


def scratch_folder(job_id: int, attempt: int) -> str:
    """Where everything of one attempt of a job lies."""
    return check_key(f"{SCRATCH}/{job_id}-{attempt}")


def refresh(store: ArtifactStore, folder: str) -> None:
    """Keep the folder of an attempt that still runs from being swept away."""
    store.put_blob(f"{folder}/{_ALIVE}", b"")


def sweep(store: ArtifactStore, *, grace: float = GRACE, now: float | None = None) -> list[str]:
    """Remove the folders of attempts that nobody has touched for `grace` seconds.

    Args:
        store: The store.
        grace: Seconds; more than twice the time between two calls of `refresh`.
        now: Seconds since 1970; the present when not given.

    Returns:
        The folders that were removed.
    """
    oldest = (time.time() if now is None else now) - grace
    abandoned = sorted(folder for folder, touched in _touched(store) if touched < oldest)
    for folder in abandoned:
        store.delete_below(folder)
    return abandoned


def _touched(store: ArtifactStore) -> Iterator[tuple[str, float]]:
    """Each folder, and when something in it was last written."""
    last: dict[str, float] = {}
    for entry in store.list_blobs(SCRATCH):
        folder = "/".join(entry.name.split("/")[:2])
        last[folder] = max(entry.modified, last.get(folder, 0.0))
    yield from last.items()
