"""Prepared statements do what the same statements do by SQLAlchemy's ordinary way."""

import datetime as dt
import math

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from dioptra_controller.database.job_tables import JOBS, METRICS
from dioptra_controller.database.prepared import Prepared, _compile
from dioptra_controller.database.registry_tables import EXPERIMENTS

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC)
JOB = {
    "experiment": "default",
    "entrypoint": "ä\n",
    "entrypoint_snapshot": 1,
    "snapshot_id": 1,
    "queue": "default",
    "description": "",
    "state": "queued",
    "attempt": 0,
    "cancel_requested": True,
    "parameters": "{}",
    "artifact_inputs": "{}",
    "swaps": "{}",
    "plan_digest": "digest",
    "timeout_seconds": 0.1,
    "create_time": NOW,
    "last_event": 2**40,
    "last_log": 0,
}
INSERT = sa.insert(JOBS).returning(JOBS.c.id)
READ = sa.select(JOBS).where(JOBS.c.id == sa.bindparam("job"), JOBS.c.state == "queued")


@pytest.fixture
def job(database):
    def store(connection):
        plan = {"digest": "digest", "plan_json": "{}", "create_time": NOW}
        connection.execute(sa.text("INSERT INTO plans VALUES (:digest, :plan_json, 0)"), plan)
        return Prepared(INSERT).first(connection, JOB).id

    return database.write_now(store)[0]


def test_rows_are_those_of_the_ordinary_way(database, job):
    prepared = Prepared(READ)

    def read(connection):
        return (
            connection.execute(READ, {"job": job}).one(),
            prepared.first(connection, {"job": job}),
            prepared.all(connection, {"job": job}),
        )

    ordinary, first, everything = database.read_now(read)
    assert tuple(first) == tuple(ordinary)
    assert list(map(tuple, everything)) == [tuple(ordinary)]
    assert {name: getattr(first, name) for name in JOB} == JOB
    assert first.cancel_requested is True
    assert first.start_time is None


def test_nothing_found_is_none_and_no_rows(database, job):
    prepared = Prepared(READ)
    assert database.read_now(prepared.first, {"job": job + 1}) is None
    assert database.read_now(prepared.all, {"job": job + 1}) == []


def test_statements_without_rows_run_for_one_and_for_many(database, job):
    prepared = Prepared(sa.insert(METRICS))
    rows = [
        {"job_id": job, "name": "m", "step": step, "value": value, "time": NOW, "graph_step": ""}
        for step, value in enumerate((1.5, math.nan, -math.inf))
    ]
    database.write_now(prepared.run, rows[0])
    database.write_now(prepared.run, *rows[1:])

    def read(connection):
        query = sa.select(METRICS.c.value).order_by(METRICS.c.step)
        return list(connection.execute(query).scalars())

    assert repr(database.read_now(read)) == repr([1.5, math.nan, -math.inf])


def test_names_may_differ_from_one_time_to_the_next(database, job):
    prepared = Prepared(INSERT)
    other = database.write_now(prepared.first, {**JOB, "retry_of": job})[0].id
    third = database.write_now(prepared.first, JOB)[0].id
    read = Prepared(READ)
    assert database.read_now(read.first, {"job": other}).retry_of == job
    assert database.read_now(read.first, {"job": third}).retry_of is None


def test_errors_are_those_of_the_ordinary_way_and_change_nothing(database):
    prepared = Prepared(sa.insert(EXPERIMENTS))
    row = {"name": "a", "label": "a", "create_time": NOW}

    def twice(connection):
        prepared.run(connection, row)
        prepared.run(connection, row)

    with pytest.raises(IntegrityError):
        database.write_now(twice)
    query = Prepared(sa.select(EXPERIMENTS.c.id).where(EXPERIMENTS.c.name == sa.bindparam("which")))
    assert database.read_now(query.first, {"which": "a"}) is None


def test_without_a_transaction_one_begins(database, job):
    with database.engine.connect() as connection:
        assert Prepared(READ).first(connection, {"job": job}).id == job
        assert connection.in_transaction()


@pytest.mark.usefixtures("job")
def test_texts_of_the_statement_itself_mean_what_they_say(database):
    entrypoint = 'it\'s "mine" :job ? %s'
    connection_of = Prepared(
        sa.select(JOBS.c.id).where(
            JOBS.c.entrypoint == entrypoint, JOBS.c.queue == sa.bindparam("queue")
        )
    )
    other = database.write_now(Prepared(INSERT).first, {**JOB, "entrypoint": entrypoint})[0].id
    found = database.read_now(connection_of.all, {"queue": "default"})
    assert [row.id for row in found] == [other]


def test_sqlite_need_not_plan_anew_for_a_text_that_is_always_the_same():
    statement = sa.select(JOBS.c.id).where(JOBS.c.state == "queued").limit(1)
    compiled = _compile(statement, sqlite.dialect(), frozenset())
    assert "jobs.state = 'queued'" in compiled.text
    assert "queued" not in compiled.constants.values()
