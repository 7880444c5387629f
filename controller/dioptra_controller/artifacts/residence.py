"""Which store a database belongs to: the bytes of its plugins and artifacts lie nowhere else."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from dioptra_controller.database.registry_tables import ARTIFACTS, PLUGIN_SNAPSHOTS, STORES
from dioptra_ray.errors import PreconditionError

_HISTORY = sa.select(STORES).order_by(STORES.c.id.desc()).limit(2)
_EVER = dt.datetime.fromtimestamp(0, dt.UTC)


def check(connection: sa.Connection, url: str) -> None:
    """See that nothing lies in another store than this one.

    Raises:
        PreconditionError: Plugins or artifacts of this database do.
    """
    present = connection.execute(_HISTORY).all()
    if not present or _is_same(present[0].url, url):
        return
    counts = " and ".join(
        f"{count} {name}{'s' * (count > 1)}" for name, count in _held(connection, present).items()
    )
    if counts:
        before = present[0].url
        raise PreconditionError(
            f"this database belongs to the artifact store {before}, which holds {counts} of it; "
            f"in {url} they would be missing. Use {before} again, or use another database (with "
            "`dioptra-ray up`: another --state-dir), or accept that all of it must be imported "
            "again (`dioptra-ray up --force-new-store`, or DIOPTRA_FORCE_NEW_STORE=true)",
            before=before,
            store=url,
        )


def settle(connection: sa.Connection, url: str, *, now: dt.datetime) -> None:
    """Remember that this is the store from now on."""
    present = connection.execute(_HISTORY).all()
    if present and _is_same(present[0].url, url):
        return
    if present and not _held(connection, present):
        # Nobody has used it, and the way back to the one before stays open.
        connection.execute(sa.delete(STORES).where(STORES.c.id == present[0].id))
        present = present[1:]
    if not present or not _is_same(present[0].url, url):
        connection.execute(sa.insert(STORES).values(url=url, create_time=now))


def identify(connection: sa.Connection) -> str:
    """A word that no other database has, and that a copy of this one keeps."""
    first = sa.select(STORES.c.create_time).order_by(STORES.c.id).limit(1)
    return f"since {connection.execute(first).scalar_one().isoformat()}"


def _is_same(before: str, url: str) -> bool:
    return before.rstrip("/") == url.rstrip("/")


def _held(connection: sa.Connection, present: Sequence[Any]) -> dict[str, int]:
    """What was stored while the newest of these was the store; the first one has all before it."""
    since = present[0].create_time if len(present) > 1 else _EVER
    queries = {
        "plugin snapshot": sa.select(sa.func.count()).where(
            PLUGIN_SNAPSHOTS.c.create_time >= since
        ),
        "artifact": sa.select(sa.func.count()).where(
            ARTIFACTS.c.create_time >= since, ARTIFACTS.c.purge_time.is_(None)
        ),
    }
    counts = {name: connection.execute(query).scalar_one() for name, query in queries.items()}
    return {name: count for name, count in counts.items() if count}
