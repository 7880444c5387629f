"""Statements that are compiled once, for the few that every job goes through.

SQLAlchemy takes ten times as long over a small statement as SQLite does to execute it: it
looks for the compiled form, copies the parameters, and wraps the cursor, every time anew.
A prepared statement does the first once and the others not at all. PostgreSQL, where the
way to the server is what takes time, gets the ordinary statement.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.visitors import replacement_traverse

_Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement in the words of SQLite's driver.

    Attributes:
        text: With a question mark for each parameter.
        constants: Values of parameters by name that the statement itself has.
        parameters: Name and conversion of each parameter, in order.
        make_row: Gets the values of a row, already converted; None when there are no rows.
        conversions: Index and conversion of the columns that need one.
    """

    text: str
    constants: Mapping[str, Any]
    parameters: tuple[tuple[str, _Convert | None], ...]
    make_row: Callable[[Any], Any] | None
    conversions: tuple[tuple[int, _Convert], ...]

    def write(self, values: Mapping[str, Any]) -> list[Any]:
        """The parameters as the driver takes them."""
        constants = self.constants
        written = []
        for name, convert in self.parameters:
            value = values[name] if name in values else constants[name]
            written.append(value if convert is None else convert(value))
        return written

    def read(self, row: Sequence[Any]) -> Any:
        """A row with its columns as attributes."""
        if self.conversions:
            row = list(row)
            for index, convert in self.conversions:
                row[index] = convert(row[index])
        return self.make_row(row) if self.make_row is not None else None


class Prepared:
    """A statement whose parameters are `bindparam`s, or the columns that it inserts.

    Lists that a statement expands (`IN`) cannot be prepared. Safe to share between threads.
    """

    def __init__(self, statement: sa.Select[Any] | sa.CompoundSelect[Any] | sa.UpdateBase) -> None:
        self._statement = statement
        self._compiled: dict[frozenset[str], _Compiled] = {}

    def all(self, connection: sa.Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        """Execute it; the rows have their columns as attributes."""
        if not _is_direct(connection):
            return connection.execute(self._statement, values).all()
        compiled = self._compile(connection, values)
        rows = send(connection, compiled.text, compiled.write(values)).fetchall()
        return [compiled.read(row) for row in rows]

    def first(self, connection: sa.Connection, values: Mapping[str, Any]) -> Any:
        """Execute it; the first row, or None."""
        if not _is_direct(connection):
            return connection.execute(self._statement, values).first()
        compiled = self._compile(connection, values)
        # All of them: a statement that was not read to its end keeps its lock.
        rows = send(connection, compiled.text, compiled.write(values)).fetchall()
        return compiled.read(rows[0]) if rows else None

    def run(self, connection: sa.Connection, *rows: Mapping[str, Any]) -> None:
        """Execute it for each of some rows, all with the same names."""
        if not _is_direct(connection):
            connection.execute(self._statement, list(rows))
            return
        compiled = self._compile(connection, rows[0])
        if len(rows) == 1:
            send(connection, compiled.text, compiled.write(rows[0]))
        else:
            send(connection, compiled.text, [compiled.write(row) for row in rows], many=True)

    def _compile(self, connection: sa.Connection, values: Mapping[str, Any]) -> _Compiled:
        names = frozenset(values)
        compiled = self._compiled.get(names)
        if compiled is None:
            compiled = self._compiled[names] = _compile(self._statement, connection.dialect, names)
        return compiled


def _is_direct(connection: sa.Connection) -> bool:
    # Without a transaction, SQLAlchemy must begin one.
    return connection.dialect.name == "sqlite" and connection.in_transaction()


def send(
    connection: sa.Connection, text: str, parameters: Sequence[Any] = (), *, many: bool = False
) -> Any:
    """Give a statement to the driver of SQLite; its errors are those of SQLAlchemy."""
    driver: Any = connection.connection.dbapi_connection
    try:
        return driver.executemany(text, parameters) if many else driver.execute(text, parameters)
    except Exception as error:
        dialect: Any = connection.dialect
        # The exception that SQLAlchemy would raise: callers know those.
        raise DBAPIError.instance(
            text, parameters, error, dialect.dbapi.Error, dialect=dialect
        ) from error


def _inline(element: Any, **_: Any) -> Any:
    """Write a text that belongs to the statement into it.

    A partial index is used only where the statement itself has the value of its condition.
    SQLite also looks at values that are bound, but then plans the statement anew each time.
    """
    if not isinstance(element, sa.BindParameter) or element.required:
        return None
    if not isinstance(element.value, str):
        return None
    return sa.literal_column("'" + element.value.replace("'", "''") + "'", element.type)


def _compile(statement: Any, dialect: sa.Dialect, names: frozenset[str]) -> _Compiled:
    if isinstance(statement, sa.Select | sa.CompoundSelect):
        statement = replacement_traverse(statement, {}, _inline)
    compiled: Any = statement.compile(dialect=dialect, column_keys=sorted(names))
    parameters = tuple(
        (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
        for name in compiled.positiontup or ()
    )
    columns = statement.exported_columns
    conversions = (
        (index, column.type.dialect_impl(dialect).result_processor(dialect, None))
        for index, column in enumerate(columns)
    )
    row: Any = namedtuple("Row", columns.keys(), rename=True) if columns else None  # noqa: PYI024 - made of what the statement says
    return _Compiled(
        text=compiled.string,
        constants={name: value for name, value in compiled.params.items() if name not in names},
        parameters=parameters,
        make_row=row and row._make,
        conversions=tuple((index, convert) for index, convert in conversions if convert),
    )
