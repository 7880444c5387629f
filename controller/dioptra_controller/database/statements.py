"""Statements that SQLite and PostgreSQL both know but SQLAlchemy has no common word for."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy.dialects import postgresql, sqlite

from dioptra_controller.database.prepared import Prepared


def insert_if_new(
    connection: sqlalchemy.Connection,
    table: sqlalchemy.Table,
    values: Mapping[str, Any],
    *,
    unique: Sequence[str],
) -> int | None:
    """Insert a row and return its id, or None when the `unique` columns are taken.

    Two transactions that insert the same at once do not fail: the second waits for the
    first and then gets None.
    """
    statement = _insert_if_new(table, tuple(unique), is_sqlite=connection.dialect.name == "sqlite")
    row = statement.first(connection, values)
    return None if row is None else row[0]


@functools.cache
def _insert_if_new(
    table: sqlalchemy.Table, unique: tuple[str, ...], *, is_sqlite: bool
) -> Prepared:
    dialect = sqlite if is_sqlite else postgresql
    return Prepared(
        dialect.insert(table)
        .on_conflict_do_nothing(index_elements=unique)
        .returning(next(iter(table.primary_key.columns)))
    )


def contains(column: sqlalchemy.ColumnElement[str], text: str) -> sqlalchemy.ColumnElement[bool]:
    """Whether `column` contains `text`, whatever the case; `%` and `_` mean themselves."""
    return column.icontains(text, autoescape=True)
