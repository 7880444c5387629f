"""The one MetaData that every table belongs to, and the column types that they share."""

import datetime as dt
import json
from typing import Any

import sqlalchemy
from sqlalchemy import types

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

METADATA = sqlalchemy.MetaData(naming_convention=NAMING)

# SQLite makes only an INTEGER primary key count by itself.
BigId = sqlalchemy.BigInteger().with_variant(sqlalchemy.Integer(), "sqlite")

# Names sort by code point in every database, as they do in Python.
Name = sqlalchemy.String(255).with_variant(sqlalchemy.String(255, collation="C"), "postgresql")


class Instant(types.TypeDecorator[dt.datetime]):
    """An aware UTC time, stored as microseconds since 1970: equal and fast everywhere."""

    impl = sqlalchemy.BigInteger
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Any) -> int | None:
        """To microseconds."""
        if value is None:
            return None
        return round((value - _EPOCH) / dt.timedelta(microseconds=1))

    def process_result_value(self, value: Any, dialect: Any) -> dt.datetime | None:
        """From microseconds."""
        return None if value is None else _EPOCH + dt.timedelta(microseconds=int(value))


class JsonText(types.TypeDecorator[Any]):
    """A JSON value, stored as text: keeps the order of mappings, and NaN and infinity."""

    impl = sqlalchemy.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str:
        """To text."""
        return json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """From text."""
        return None if value is None else json.loads(value)


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
