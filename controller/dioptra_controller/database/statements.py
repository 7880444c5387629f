"""Statements that SQLite and PostgreSQL both know but SQLAlchemy has no common word for."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy.dialects import postgresql, sqlite


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
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = (
        dialect.insert(table)
        .values(**values)
        .on_conflict_do_nothing(index_elements=list(unique))
        .returning(next(iter(table.primary_key.columns)))
    )
    return connection.execute(statement).scalar_one_or_none()


def contains(column: sqlalchemy.ColumnElement[str], text: str) -> sqlalchemy.ColumnElement[bool]:
    """Whether `column` contains `text`, whatever the case; `%` and `_` mean themselves."""
    return column.icontains(text, autoescape=True)
