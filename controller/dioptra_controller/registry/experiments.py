"""Experiments: namespaces for jobs."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy
from sqlalchemy import RowMapping

from dioptra_controller import paging
from dioptra_controller.access.caller import Role
from dioptra_controller.database.registry_tables import EXPERIMENT_SNAPSHOTS, EXPERIMENTS
from dioptra_controller.registry import names, snapshots
from dioptra_controller.registry.listing import Listing, list_rows
from dioptra_ray.errors import PreconditionError

SERIES = snapshots.Series(
    code="experiment",
    heads=EXPERIMENTS,
    snapshots=EXPERIMENT_SNAPSHOTS,
    writer=Role.SUBMITTER,
)

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A namespace for jobs, in one version; `id` is the same in all of them."""

    id: int
    name: str
    description: str
    create_time: dt.datetime
    number: int = 1
    delete_time: dt.datetime | None = None
    group: str = ""

    @property
    def head_id(self) -> int:
        """Its id, as of all that has snapshots."""
        return self.id


def create(
    connection: sqlalchemy.Connection, name: str, description: str = "", *, group: str = ""
) -> Experiment:
    """Create an experiment.

    Raises:
        InvalidRequestError: The name is not allowed.
        AlreadyExistsError: The name is taken.
    """
    names.check_name("experiment", name)
    put(connection, name, description, mode=snapshots.Mode.CREATE, group=group)
    return get(connection, name)


def put(
    connection: sqlalchemy.Connection,
    name: str,
    description: str,
    *,
    mode: snapshots.Mode = snapshots.Mode.UPDATE,
    group: str = "",
) -> snapshots.Stored:
    """Store a description.

    Raises:
        InvalidRequestError: It is not allowed.
        AlreadyExistsError, NotFoundError: The mode does not allow it.
    """
    names.check_text(f"experiment {name!r}", description)
    content = {"description": description}
    return snapshots.put(connection, SERIES, name, content, mode=mode, group=group)


def get(connection: sqlalchemy.Connection, name: str) -> Experiment:
    """Read an experiment.

    Raises:
        NotFoundError: There is none of that name.
    """
    return _read(snapshots.get_row(connection, SERIES, name))


def get_id(connection: sqlalchemy.Connection, name: str) -> int:
    """The id of an experiment; see `get`."""
    return snapshots.get_head_id(connection, SERIES, name)


def get_group(connection: sqlalchemy.Connection, name: str) -> str:
    """The group of an experiment; see `get`."""
    return snapshots.get_group(connection, SERIES, name)


def list_page(connection: sqlalchemy.Connection, listing: Listing) -> paging.Page[Experiment]:
    """One page of experiments."""
    found = list_rows(connection, SERIES, listing)
    return paging.Page(rows=tuple(map(_read, found.rows)), next_token=found.next_token)


def delete(connection: sqlalchemy.Connection, name: str) -> int:
    """Delete an experiment and return its id; its jobs stay.

    Raises:
        NotFoundError: There is none of that name.
        PreconditionError: It is the default one.
    """
    if name == DEFAULT:
        raise PreconditionError("the experiment 'default' always exists: jobs without one use it")
    return snapshots.delete(connection, SERIES, name)


def _read(row: RowMapping) -> Experiment:
    return Experiment(
        id=row["head_id"],
        name=row["name"],
        description=row["description"],
        create_time=row["create_time"],
        number=row["number"],
        delete_time=row["delete_time"],
        group=row["group"],
    )
