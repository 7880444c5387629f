"""Reports over a stream that breaks: whatever comes twice counts once, and in order."""

import datetime as dt

from hypothesis import given, settings
from hypothesis import strategies as st

from dioptra_controller.database import tables  # noqa: F401 - fills METADATA
from dioptra_controller.database.engine import Database
from dioptra_controller.database.job_tables import JOBS, PLANS
from dioptra_controller.database.metadata import METADATA
from dioptra_controller.jobs import events, logs, metrics
from dioptra_controller.jobs.outline import Outlines
from dioptra_controller.jobs.reports import (
    AttemptEnd,
    Happening,
    LogLine,
    MetricPoint,
    Report,
)
from dioptra_controller.jobs.state import JobState
from dioptra_controller.jobs.steps import StepChange, StepState
from dioptra_controller.scheduling import leases
from dioptra_controller.scheduling.intake import commit_reports
from dioptra_controller.scheduling.sessions import Introduction

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LINES = st.builds(
    LogLine,
    time=st.just(NOW),
    level=st.just(20),
    logger=st.just("l"),
    step=st.just("s"),
    message=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3),
)
POINTS = st.builds(
    MetricPoint,
    name=st.sampled_from(["a", "b"]),
    step=st.integers(0, 1),
    value=st.floats(),
    time=st.just(NOW),
)
CHANGES = st.builds(
    StepChange, step=st.just("s"), state=st.sampled_from(StepState), time=st.just(NOW)
)
HAPPENINGS: st.SearchStrategy[Happening] = st.one_of(LINES, POINTS, CHANGES)


def begin() -> Database:
    """A database in memory with two jobs that runner "r" holds, and one that it does not."""
    database = Database("sqlite://")
    METADATA.create_all(database.engine)
    shared = dict.fromkeys(("experiment", "entrypoint", "queue", "description"), "x")
    shared |= {"parameters": "{}", "artifact_inputs": "{}", "swaps": "{}", "plan_digest": "d"}
    with database.engine.begin() as connection:
        connection.execute(PLANS.insert(), {"digest": "d", "plan_json": "{}", "create_time": NOW})
        for job_id, runner_id in ((1, "r"), (2, "r"), (3, "other")):
            row = {"id": job_id, "runner_id": runner_id, "state": "started", "attempt": 1}
            row |= {"entrypoint_snapshot": 1, "snapshot_id": 1, "cancel_requested": False}
            row |= {"timeout_seconds": 1.0, "create_time": NOW, "last_event": 0, "last_log": 0}
            connection.execute(JOBS.insert(), {**shared, **row})
    runner = Introduction(runner_id="r", name="r", queues=("x",), slots=2)
    database.write_now(leases.greet, runner, now=NOW)
    return database


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_replays_and_strangers_change_nothing(data: st.DataObject) -> None:
    said = data.draw(st.lists(st.tuples(st.integers(1, 3), HAPPENINGS), max_size=12))
    reports = [
        Report(sequence=number, job_id=job_id, attempt=1, happenings=(happening,))
        for number, (job_id, happening) in enumerate(said, 1)
    ]
    ends = AttemptEnd(outcome=JobState.FINISHED)
    reports.append(Report(sequence=len(said) + 1, job_id=1, attempt=1, happenings=(ends,)))
    database = begin()
    committed = 0
    while committed < len(reports):
        # The stream broke: it begins again anywhere before the first that is missing.
        first = data.draw(st.integers(0, committed))
        last = data.draw(st.integers(committed + 1, len(reports)))
        committed, _ = database.write_now(
            commit_reports, "r", reports[first:last], outlines=Outlines(), now=NOW
        )
        assert committed == last
    late = Report(sequence=committed + 1, job_id=1, attempt=1, happenings=(reports[0].happenings))
    database.write_now(commit_reports, "r", [late], outlines=Outlines(), now=NOW)
    for job_id in (1, 2, 3):
        mine = [happening for owner, happening in said if owner == job_id] if job_id < 3 else []
        log = database.read_now(logs.read_after, job_id, 0)
        lines = [item.message for item in mine if isinstance(item, LogLine)]
        assert [record.message for record in log.records] == lines
        assert [record.sequence for record in log.records] == list(range(1, len(lines) + 1))
        page = database.read_now(events.read_after, job_id, 0)
        assert [event.sequence for event in page.events] == list(range(1, len(page.events) + 1))
        assert page.is_last == (job_id == 1)
        newest = {
            (item.name, item.step): repr(item.value)
            for item in mine
            if isinstance(item, MetricPoint)
        }
        stored = database.read_now(metrics.list_for_job, job_id)
        assert {(point.name, point.step): repr(point.value) for point in stored} == newest
    database.close()
