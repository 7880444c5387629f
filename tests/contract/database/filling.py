"""Rows for every table of a schema, whatever schema that is: as the database itself says it."""

import itertools
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

ROWS = 3
Content = dict[str, list[dict[str, Any]]]
"""The rows by table."""

# What must be JSON, as some migrations might have to read it.
_JSON = {
    "artifact_inputs", "content", "declared", "environment", "outputs", "parameters", "plan_json",
    "space", "swaps", "structure", "description_json", "tasks", "files",
}  # fmt: skip
_MICROSECONDS = 1_760_000_000_000_000


def fill(connection: sa.Connection) -> None:
    """Put some rows into each table."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    numbers = itertools.count(1000)
    for table in metadata.sorted_tables:
        if table.name == "alembic_version":
            continue
        for _ in range(ROWS):
            row = {column.name: _value(connection, column, numbers) for column in table.columns}
            connection.execute(sa.insert(table).values(row))


def read(connection: sa.Connection) -> Content:
    """All rows of all tables."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    return {
        table.name: sorted(
            (dict(row) for row in connection.execute(sa.select(table)).mappings()), key=repr
        )
        for table in metadata.sorted_tables
        if table.name != "alembic_version"
    }


def same_columns(content: Content, schema: Content) -> Content:
    """Only what the tables and columns of another content can hold."""
    return {
        name: sorted(({key: row[key] for key in schema[name][0]} for row in rows), key=repr)
        for name, rows in content.items()
        if name in schema
    }


def _value(connection: sa.Connection, column: sa.Column[Any], numbers: Iterator[int]) -> Any:
    for key in column.foreign_keys:
        return _parent(connection, column, key.column)
    return _free_value(column, next(numbers))


def _parent(connection: sa.Connection, column: sa.Column[Any], key: sa.Column[Any]) -> Any:
    if key.table is column.table:
        return None
    query = sa.select(key).order_by(sa.func.random()).limit(1)
    if column.primary_key:
        query = query.where(key.not_in(sa.select(column)))
    return connection.execute(query).scalar_one()


def _free_value(column: sa.Column[Any], number: int) -> Any:
    match column.type:
        case sa.Boolean():
            value: Any = number % 2 == 0
        case sa.SmallInteger():
            value = number % 30
        case sa.BigInteger() if column.name.endswith("time"):
            value = _MICROSECONDS + number
        case sa.Integer():
            value = number
        case sa.Double() | sa.Float():
            value = number / 8
        case sa.String() if column.name in _JSON:
            value = f'{{"number": {number}}}'
        case sa.String():
            value = "queued" if column.name == "state" else f"{column.name}-{number}-é"
        case _:
            raise AssertionError(f"nobody has thought of {column}, a {column.type!r}")
    return value
