"""What is deleted when it is old, and what stays, in databases with all of it in them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from dioptra_controller.database.engine import Database
from dioptra_controller.database.job_tables import (
    JOB_EVENTS,
    JOB_LOGS,
    JOBS,
    METRICS,
    PLANS,
    RUNNERS,
    SWEEPS,
)
from dioptra_controller.database.registry_tables import ARTIFACTS, REQUESTS, TAGS
from dioptra_controller.housekeeping import Deleted, Housekeeper
from dioptra_controller.jobs import events, logs, pruning
from dioptra_controller.paging import PageRequest
from dioptra_ray.errors import OutOfRangeError

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
OLD, YOUNG = NOW - dt.timedelta(days=100), NOW - dt.timedelta(days=1)
LINES = 7


@dataclass(frozen=True, kw_only=True)
class Keep:
    keep_logs_seconds: float = 0
    keep_events_seconds: float = 0
    keep_jobs_seconds: float = 0
    keep_requests_seconds: float = 0
    keep_runners_seconds: float = 0


MONTH = 30 * 86400.0


def keeper(database: Database, connected: Sequence[str] = (), **keep: float) -> Housekeeper:
    return Housekeeper(database, Keep(**keep), now=lambda: NOW, connected=lambda: connected)


class Filler:
    """Puts jobs into a database as their lives would have left them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._run(sa.insert(PLANS).values(digest="d", plan_json="{}", create_time=OLD))

    def _run(self, statement: Any, rows: Any = None) -> Any:
        def run(connection: sa.Connection) -> Any:
            result = connection.execute(statement, rows)
            return result.scalar_one_or_none() if result.returns_rows else None

        return self.database.write_now(run)[0]

    def sweep(self, end: dt.datetime | None) -> int:
        texts = dict.fromkeys(("experiment", "entrypoint", "queue", "description", "space"), "")
        numbers = ("started", "finished", "failed", "cancelled", "ended", "snapshot_id")
        row = {
            **texts,
            **dict.fromkeys(numbers, 0),
            "entrypoint_snapshot": 1,
            "state": "started" if end is None else "finished",
            "cancel_requested": False,
            "size": 2,
            "next_trial": 2,
            "parameters": "{}",
            "artifact_inputs": "{}",
            "swaps": "{}",
            "plan_digest": "d",
            "timeout_seconds": 1.0,
            "create_time": OLD,
            "end_time": end,
        }
        return int(self._run(sa.insert(SWEEPS).values(row).returning(SWEEPS.c.id)))

    def job(self, end: dt.datetime | None, *, lines: int = LINES, **columns: Any) -> int:
        texts = dict.fromkeys(("experiment", "entrypoint", "queue", "description"), "")
        row = {
            **texts,
            "entrypoint_snapshot": 1,
            "snapshot_id": 1,
            "state": "started" if end is None else "finished",
            "attempt": 1,
            "cancel_requested": False,
            "parameters": "{}",
            "artifact_inputs": "{}",
            "swaps": "{}",
            "plan_digest": "d",
            "timeout_seconds": 1.0,
            "create_time": end or OLD,
            "end_time": end,
            "last_event": 3,
            "last_log": lines,
            **columns,
        }
        job = int(self._run(sa.insert(JOBS).values(row).returning(JOBS.c.id)))
        state = '["finished",1,null,null,null,null,[]]'
        self._run(
            sa.insert(JOB_EVENTS),
            [
                {"job_id": job, "sequence": n, "time": OLD, "kind": "state", "payload": state}
                for n in (1, 2, 3)
            ],
        )
        line = {"attempt": 1, "time": OLD, "level": 20, "logger": "", "step": "", "message": "x"}
        if said := [{"job_id": job, "sequence": n + 1, **line} for n in range(lines)]:
            self._run(sa.insert(JOB_LOGS), said)
        metric = {"job_id": job, "value": 0.5, "time": OLD, "graph_step": ""}
        self._run(
            sa.insert(METRICS), [{**metric, "name": n, "step": s} for n in "ab" for s in range(3)]
        )
        self._run(sa.insert(TAGS).values(kind="job", resource_id=job, tag="t"))
        return job

    def artifact(self, job: int) -> None:
        texts = (
            "name", "key", "entrypoint", "step", "output", "task", "plugin_digest", "basename",
            "digest", "manifest",
        )  # fmt: skip
        row = {name: f"{name}{job}" for name in texts}
        values = {**row, "outputs": [], "is_directory": False, "size": 1, "create_time": OLD}
        known = {name: value for name, value in values.items() if name in ARTIFACTS.c}
        self._run(sa.insert(ARTIFACTS).values(**known, job_id=job))

    def count(self, table: sa.Table, *where: Any) -> int:
        query = sa.select(sa.func.count()).select_from(table).where(*where)
        return self.database.read_now(
            lambda connection: int(connection.execute(query).scalar_one())
        )

    def ids(self, table: sa.Table) -> list[int]:
        query = sa.select(table.c.id).order_by(table.c.id)
        return self.database.read_now(lambda connection: list(connection.execute(query).scalars()))


@pytest.fixture
def filler(database: Database) -> Filler:
    return Filler(database)


async def test_nothing_is_deleted_that_is_kept_for_ever(filler: Filler) -> None:
    filler.job(OLD)
    assert await keeper(filler.database).clean() == Deleted()
    assert filler.count(JOB_LOGS) == LINES


async def test_logs_and_events_of_jobs_that_ended_long_ago_go(filler: Filler) -> None:
    old, young, running = filler.job(OLD), filler.job(YOUNG), filler.job(None)
    cleaner = keeper(filler.database, keep_logs_seconds=MONTH)
    assert await cleaner.clean() == Deleted(log_records=LINES)
    assert filler.count(JOB_LOGS, JOB_LOGS.c.job_id == old) == 0
    assert filler.count(JOB_EVENTS) == 9
    assert await keeper(filler.database, keep_events_seconds=MONTH).clean() == Deleted(events=3)
    assert filler.count(JOB_EVENTS, JOB_EVENTS.c.job_id.in_([young, running])) == 6
    assert filler.count(JOB_LOGS) == 2 * LINES
    assert filler.ids(JOBS) == [old, young, running]
    assert await cleaner.clean() == Deleted()


async def test_what_grows_old_later_goes_later(filler: Filler) -> None:
    times = {"now": NOW}
    cleaner = Housekeeper(filler.database, Keep(keep_logs_seconds=MONTH), now=lambda: times["now"])
    # The oldest has not ended yet, and must not hide those after it for ever.
    filler.job(None)
    filler.job(OLD)
    filler.job(YOUNG)
    assert (await cleaner.clean()).log_records == LINES
    times["now"] += dt.timedelta(days=40)
    filler.job(NOW - dt.timedelta(days=1))
    assert (await cleaner.clean()).log_records == 2 * LINES


async def test_a_reader_is_told_that_what_it_asks_for_was_deleted(filler: Filler) -> None:
    job, database = filler.job(OLD), filler.database
    await keeper(database, keep_logs_seconds=MONTH, keep_events_seconds=MONTH).clean()
    for after in (0, 1, 2):
        with pytest.raises(OutOfRangeError, match="keep_events_seconds"):
            await database.read(events.read_after, job, after)
    assert (await database.read(events.read_after, job, 3)).is_last
    with pytest.raises(OutOfRangeError, match="keep_logs_seconds"):
        await database.read(logs.read_after, job, 0)
    page = PageRequest(size=10, token="")
    with pytest.raises(OutOfRangeError, match="keep_logs_seconds"):
        await database.read(logs.list_page, job, page, logs.LogFilter(level="ERROR"))
    silent = filler.job(YOUNG, lines=0)
    assert (await database.read(logs.list_page, silent, page, logs.LogFilter())).rows == ()
    assert (await database.read(logs.read_after, silent, 0)).is_last


async def test_half_of_a_log_is_no_log(filler: Filler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 3)
    job, database = filler.job(OLD), filler.database
    assert await database.write(pruning.delete_rows, JOB_LOGS, [job]) == 3
    for after in (0, 2):
        with pytest.raises(OutOfRangeError):
            await database.read(logs.read_after, job, after)
    batch = await database.read(logs.read_after, job, 3)
    assert [record.sequence for record in batch.records] == [4, 5, 6, 7]


async def test_many_rows_go_in_many_transactions(
    filler: Filler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 10)
    monkeypatch.setattr(pruning, "PAGE", 4)
    for _ in range(9):
        filler.job(OLD)
    sizes: list[int] = []
    write = filler.database.write

    async def watched(function: Any, *args: Any, **kwargs: Any) -> Any:
        result = await write(function, *args, **kwargs)
        sizes.append(result)
        return result

    monkeypatch.setattr(filler.database, "write", watched)
    assert await keeper(filler.database, keep_jobs_seconds=MONTH).clean() == Deleted(jobs=9)
    assert max(sizes) == 10
    assert all(filler.count(table) == 0 for table in (JOBS, JOB_LOGS, JOB_EVENTS, METRICS, TAGS))


async def test_jobs_stay_that_something_else_tells_about(filler: Filler) -> None:
    plain, running, young = filler.job(OLD), filler.job(None), filler.job(YOUNG)
    offering = filler.job(OLD, saved_stages="[]")
    open_sweep, young_sweep, old_sweep = (filler.sweep(end) for end in (None, YOUNG, OLD))
    of_open = filler.job(OLD, sweep_id=open_sweep, trial=0)
    of_young = filler.job(OLD, sweep_id=young_sweep, trial=0)
    of_old = [filler.job(OLD, sweep_id=old_sweep, trial=trial) for trial in (0, 1)]
    maker = filler.job(OLD)
    filler.artifact(maker)
    deleted = await keeper(filler.database, keep_jobs_seconds=MONTH).clean()
    assert deleted == Deleted(jobs=3, sweeps=1)
    assert filler.ids(JOBS) == [running, young, offering, of_open, of_young, maker]
    assert filler.ids(SWEEPS) == [open_sweep, young_sweep]
    assert plain not in filler.ids(JOBS)
    assert not set(of_old) & set(filler.ids(JOBS))
    assert filler.count(JOB_LOGS, JOB_LOGS.c.job_id == maker) == LINES


async def test_request_ids_and_runners_that_are_gone_go(filler: Filler) -> None:
    for name, time in (("old", OLD), ("young", YOUNG)):
        row = {"request_id": name, "method": "m", "digest": "d", "result": "1"}
        filler._run(sa.insert(REQUESTS).values(**row, create_time=time))
    seen = {"gone": OLD, "new": YOUNG, "here": OLD, "holder": OLD, "never": None}
    for name, time in seen.items():
        row = {"runner_id": name, "name": name, "committed_sequence": 1}
        filler._run(sa.insert(RUNNERS).values(**row, connect_time=OLD, seen_time=time))
    filler.job(None, runner_id="holder")
    deleted = await keeper(
        filler.database, ["here"], keep_requests_seconds=MONTH, keep_runners_seconds=MONTH
    ).clean()
    assert deleted == Deleted(request_ids=1, runners=2)
    assert filler.count(REQUESTS, REQUESTS.c.request_id == "young") == 1
    left = filler.count(RUNNERS, RUNNERS.c.runner_id.in_(["new", "here", "holder"]))
    assert left == filler.count(RUNNERS) == 3
