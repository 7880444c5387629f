"""Experiments: namespaces for jobs."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy

from dioptra_controller import paging
from dioptra_controller.database.registry_tables import EXPERIMENTS
from dioptra_controller.database.statements import contains, insert_if_new
from dioptra_controller.registry import names
from dioptra_ray.errors import AlreadyExistsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A namespace for jobs."""

    id: int
    name: str
    description: str
    create_time: dt.datetime


def create(connection: sqlalchemy.Connection, name: str, description: str = "") -> Experiment:
    """Create an experiment.

    Raises:
        InvalidRequestError: The name is not allowed.
        AlreadyExistsError: The name is taken.
    """
    names.check_name("experiment", name)
    names.check_text(f"experiment {name!r}", description)
    row = {"name": name, "description": description, "create_time": dt.datetime.now(dt.UTC)}
    if insert_if_new(connection, EXPERIMENTS, row, unique=["name"]) is None:
        raise AlreadyExistsError(f"there is an experiment {name!r} already", name=name)
    return get(connection, name)


def get(connection: sqlalchemy.Connection, name: str) -> Experiment:
    """Read an experiment.

    Raises:
        NotFoundError: There is none of that name.
    """
    query = sqlalchemy.select(EXPERIMENTS).where(EXPERIMENTS.c.name == name)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise names.not_found(connection, "experiment", EXPERIMENTS.c.name, name)
    return Experiment(**row)


def get_id(connection: sqlalchemy.Connection, name: str) -> int:
    """The id of an experiment; see `get`."""
    return get(connection, name).id


def list_page(
    connection: sqlalchemy.Connection, page: paging.PageRequest, search: str = ""
) -> paging.Page[Experiment]:
    """One page of the experiments whose names contain `search`, sorted by name."""
    size = paging.page_size(page.size)
    after = paging.decode(page.token, "experiments", search)
    query = sqlalchemy.select(EXPERIMENTS).order_by(EXPERIMENTS.c.name).limit(size + 1)
    if search:
        query = query.where(contains(EXPERIMENTS.c.name, search))
    if after is not None:
        query = query.where(EXPERIMENTS.c.name > after[0])
    rows = [Experiment(**row) for row in connection.execute(query).mappings()]
    return paging.slice_page(rows, size, "experiments", search, key=lambda row: [row.name])
