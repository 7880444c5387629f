import asyncio
import datetime as dt
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy
from sqlalchemy import select

from dioptra_controller.database.engine import notify
from dioptra_controller.database.registry_tables import (
    EXPERIMENTS,
    PARAMETER_TYPE_SNAPSHOTS,
    PARAMETER_TYPES,
)
from dioptra_controller.database.statements import insert_if_new
from dioptra_controller.registry import experiments
from dioptra_ray.errors import InvalidRequestError, NotFoundError

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC)


def _insert(connection, name):
    return insert_if_new(
        connection,
        EXPERIMENTS,
        {"name": name, "label": name, "create_time": NOW},
        unique=["name"],
    )


def _names(connection):
    return list(
        connection.execute(select(EXPERIMENTS.c.name).order_by(EXPERIMENTS.c.name)).scalars()
    )


async def test_notices_come_after_the_commit_and_only_then(database):
    seen = []

    def on_commit(notices):
        names, _ = database.read_now(_names), notices
        seen.append((list(notices), "a" in names))

    database.on_commit = on_commit

    def work(connection, *, fail):
        _insert(connection, "a")
        notify(connection, "told")
        if fail:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.write(work, fail=True)
    assert seen == []
    await database.write(work, fail=False)
    assert seen == [(["told"], True)]


async def test_notices_come_even_when_the_caller_has_gone(database):
    told = asyncio.Event()
    database.on_commit = lambda _notices: told.set()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work(connection):
        loop.call_soon_threadsafe(begun.set)
        _insert(connection, "a")
        notify(connection, "told")

    task = asyncio.create_task(database.write(work))
    await begun.wait()
    task.cancel()
    await told.wait()
    assert "a" in await database.read(_names)


async def test_a_failed_write_leaves_nothing(database):
    def work(connection):
        _insert(connection, "a")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.write(work)
    assert await database.read(_names) == ["default"]


def test_insert_if_new_inserts_once_whoever_is_first(database):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: database.write_now(_insert, "a")[0], range(16)))
    assert sum(one is not None for one in made) == 1


def test_names_sort_by_code_point(database):
    for name in ("b", "B", "a", "ä", "_", "Z", "é", "10", "9"):
        database.write_now(_insert, name)
    found = database.read_now(_names)
    assert found == sorted(found)
    assert len(found) == 10


@pytest.mark.parametrize(
    "time",
    [NOW, dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 31, tzinfo=dt.UTC)],
)
def test_times_come_back_exactly(database, time):
    def work(connection):
        connection.execute(EXPERIMENTS.update().values(create_time=time))
        return connection.execute(select(EXPERIMENTS.c.create_time)).scalar_one()

    assert database.write_now(work)[0] == time


def test_json_keeps_order_and_numbers_that_json_has_not(database):
    value = {"z": [1, 2.5, None, True, "ä\0\n"], "a": {"y": 1, "x": 2}, "inf": math.inf}

    def work(connection):
        owner = connection.execute(
            PARAMETER_TYPES.insert()
            .values(name="t", label="t", create_time=NOW)
            .returning(PARAMETER_TYPES.c.id)
        ).scalar_one()
        row = {
            "parameter_type_id": owner,
            "number": 1,
            "description": "",
            "content_digest": "",
            "structure": {**value, "nan": math.nan},
            "create_time": NOW,
        }
        connection.execute(PARAMETER_TYPE_SNAPSHOTS.insert().values(**row))
        return connection.execute(select(PARAMETER_TYPE_SNAPSHOTS.c.structure)).scalar_one()

    found = database.write_now(work)[0]
    assert math.isnan(found.pop("nan"))
    assert found == value
    assert list(found) == ["z", "a", "inf"]


def test_a_bug_in_a_statement_does_not_look_like_an_unreachable_database(database):
    def work(connection):
        connection.execute(sqlalchemy.text("SELECT nothing FROM nowhere"))

    with pytest.raises(sqlalchemy.exc.DBAPIError):
        database.read_now(work)


def test_one_read_sees_one_moment(database):
    def work(connection):
        before = _names(connection)
        database.write_now(_insert, "meanwhile")
        return before, _names(connection)

    before, after = database.read_now(work)
    assert before == after == ["default"]
    assert "meanwhile" in database.read_now(_names)


def test_a_text_that_cannot_be_stored_is_the_callers_mistake(database):
    with pytest.raises((NotFoundError, InvalidRequestError)):
        database.read_now(experiments.get, "a\0b")
