"""All that may happen to jobs, in any order, against a model that fits on a page.

The real side is everything but gRPC: creation, assignment, reports, leases, cancellation and
timeouts, as transactions on a database. Runners are as confused as they may get: they report
twice, late, out of turn, and about what was taken from them.
"""

import datetime as dt
import itertools
import json
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from dioptra_controller.database import tables  # noqa: F401 - fills METADATA
from dioptra_controller.database.engine import Database
from dioptra_controller.database.job_tables import JOB_EVENTS, JOB_LOGS, JOBS
from dioptra_controller.database.metadata import METADATA
from dioptra_controller.jobs import cancelling, creation, retrying
from dioptra_controller.jobs.compiling import Compiler
from dioptra_controller.jobs.outline import Outlines
from dioptra_controller.jobs.reports import AttemptEnd, Failure, LogLine, Report
from dioptra_controller.jobs.state import JobState
from dioptra_controller.registry.requests import once
from dioptra_controller.scheduling import assignments, immediate, leases
from dioptra_controller.scheduling.intake import commit_reports
from dioptra_controller.scheduling.messages import Assignment, Lease
from dioptra_controller.scheduling.sessions import Introduction
from dioptra_controller.sweeps.spaces import Spaces
from dioptra_ray.errors import PreconditionError
from tests.integration.jobs.deployment import seed

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
GRACE = dt.timedelta(seconds=30)
TIMEOUT = 100.0
SLOTS = 2
MAX_ATTEMPTS = 3
MOST_JOBS = 4
NAMES = ("r1", "r2")
FINAL = {"finished", "failed", "cancelled"}
# What may follow what, as somebody would draw it on a whiteboard.
NEXT = {
    "queued": {"started", "cancelled"},
    "started": {"queued", *FINAL},
    "finished": set[str](),
    "failed": set[str](),
    "cancelled": set[str](),
}


@dataclass
class Job:
    """What the model knows of a job."""

    state: str = "queued"
    attempt: int = 0
    holder: str | None = None
    asked: bool = False
    deadline: dt.datetime = NOW
    lines: list[str] = field(default_factory=list)

    def end(self, state: str) -> None:
        self.state, self.holder, self.asked = state, None, False

    def lose(self, *, counts: bool) -> None:
        given_up = counts and self.attempt >= MAX_ATTEMPTS
        self.end("cancelled" if self.asked else "failed" if given_up else "queued")


@dataclass
class Runner:
    """A runner: what it has been told, and what it has said so far."""

    connected: bool = False
    believes: set[tuple[int, int]] = field(default_factory=set)
    said: list[Report] = field(default_factory=list)


class Machine(RuleBasedStateMachine):
    """One controller's database, and two runners."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.database = Database("sqlite://")
        METADATA.create_all(self.database.engine)
        self.database.write_now(seed)
        self.now = NOW
        self.compiler, self.outlines, self.spaces = Compiler(), Outlines(), Spaces()
        self.model: dict[int, Job] = {}
        self.requests: dict[str, int] = {}
        self.runners = {name: Runner() for name in NAMES}

    @initialize()
    def begin(self) -> None:
        """What it takes until anything can go wrong."""
        for name in NAMES:
            self.connect(name)

    def teardown(self) -> None:
        self.database.close()

    # What clients do

    # Few jobs, so that much happens to each of them.
    @precondition(lambda self: len(self.model) < MOST_JOBS)
    @rule(target=jobs, request=st.sampled_from(["", "a", "b"]))
    def submit(self, request: str) -> int:
        """Make a job, which may start at once, unless the same was asked for before."""

        def create(connection: sa.Connection) -> str:
            run = creation.RunRequest(
                entrypoint="attack", parameters={"attack": "a"}, timeout_seconds=TIMEOUT
            )
            make = partial(
                creation.create_job, connection, run, compiler=self.compiler, now=self.now
            )
            start = partial(immediate.start, self.introductions())
            return once(
                connection,
                request,
                method="CreateJob",
                content=b"",
                create=lambda: str(make(start=start).id),
            )

        made, notices = self.database.write_now(create)
        job_id = int(made)
        if request in self.requests:
            assert job_id == self.requests[request]
            assert notices == []
            return job_id
        assert job_id not in self.model
        if request:
            self.requests[request] = job_id
        self.model[job_id] = Job()
        self.give(notices)
        return job_id

    @precondition(lambda self: len(self.model) < MOST_JOBS)
    @rule(target=jobs, job=jobs)
    def retry(self, job: int) -> int:
        """Repeat a job that has ended, as a job of its own."""
        ended = self.model[job].state in FINAL
        try:
            made, notices = self.database.write_now(
                retrying.retry_job, job, kept=None, now=self.now
            )
        except PreconditionError:
            assert not ended
            return job
        assert ended
        self.model[made.id] = Job()
        self.give(notices)
        return made.id

    @rule(job=jobs)
    def cancel(self, job: int) -> None:
        model = self.model[job]
        try:
            self.database.write_now(cancelling.cancel_job, job, now=self.now)
        except PreconditionError:
            assert model.state in {"finished", "failed"}
            return
        assert model.state not in {"finished", "failed"}
        if model.state == "queued":
            model.end("cancelled")
        model.asked = model.state == "started"

    # What runners do

    @rule(name=st.sampled_from(NAMES))
    def connect(self, name: str) -> None:
        """Come, or come again: what is held is compared with what should be."""
        runner = self.runners[name]
        held = tuple(Lease(*lease) for lease in sorted(runner.believes))
        who = Introduction(runner_id=name, name=name, queues=("default",), slots=SLOTS, leases=held)
        greeting, _ = self.database.write_now(leases.greet, who, now=self.now)
        assert greeting.committed_sequence == self.committed(name)
        for lease in greeting.revoked:
            assert not self.holds(name, (lease.job_id, lease.attempt))
            runner.believes.remove((lease.job_id, lease.attempt))
        assert all(self.holds(name, lease) for lease in runner.believes)
        runner.connected = True
        for message in greeting.first:
            if isinstance(message, Assignment):
                assert (message.lease.job_id, message.lease.attempt) not in runner.believes
                runner.believes.add((message.lease.job_id, message.lease.attempt))
            else:
                assert self.model[message.lease.job_id].asked
        # Whoever is greeted knows all that it holds.
        assert runner.believes == self.holdings(name)

    @rule(name=st.sampled_from(NAMES))
    def disconnect(self, name: str) -> None:
        self.runners[name].connected = False

    @rule()
    def assign(self) -> None:
        waiting = sorted(job for job, model in self.model.items() if model.state == "queued")
        free = sum(
            max(0, SLOTS - len(self.holdings(who.runner_id))) for who in self.introductions()
        )
        _, notices = self.database.write_now(
            assignments.assign,
            self.introductions(),
            spaces=self.spaces,
            singles_in_a_row=0,
            now=self.now,
        )
        given = self.give(notices)
        # The oldest first, and nobody waits while there is room.
        assert sorted(given) == waiting[:free]

    @rule(data=st.data(), outcome=st.sampled_from(["line", "finished", "failed", "cancelled"]))
    def report(self, data: st.DataObject, outcome: str) -> None:
        """Report on what is held, or on any other attempt of any job, and repeat what was said."""
        ready = [name for name, runner in self.runners.items() if self.is_known(name)]
        if not ready or not self.model:
            return
        name = data.draw(st.sampled_from(ready))
        runner = self.runners[name]
        job = data.draw(st.sampled_from(sorted(self.model)))
        newest = max(1, self.model[job].attempt)
        attempt = data.draw(st.sampled_from([newest, newest, max(1, newest - 1)]))
        committed = self.committed(name)
        said = f"{name} {committed + 1}"
        happening = (
            LogLine(time=self.now, level=20, logger="", step="", message=said)
            if outcome == "line"
            else AttemptEnd(
                outcome=JobState(outcome),
                failure=Failure(reason="STEP_RAISED", message="") if outcome == "failed" else None,
            )
        )
        report = Report(
            sequence=committed + 1, job_id=job, attempt=attempt, happenings=(happening,)
        )
        runner.said.append(report)
        again = data.draw(st.integers(0, committed))
        after, _ = self.database.write_now(
            commit_reports, name, runner.said[again:], outlines=self.outlines, now=self.now
        )
        assert after == committed + 1
        if not self.holds(name, (job, attempt)):
            return
        if outcome == "line":
            self.model[job].lines.append(said)
        else:
            self.model[job].end(outcome)
            runner.believes.discard((job, attempt))

    # What happens to runners

    @rule(name=st.sampled_from(NAMES))
    def lose(self, name: str) -> None:
        """Its time is over, whether it lives or not."""
        count, _ = self.database.write_now(leases.expire, [name], controller="", now=self.now)
        self.runners[name].connected = False
        assert count == self.take(name, counts=True)

    @rule(name=st.sampled_from(NAMES))
    def return_from_the_dead(self, name: str) -> None:
        """Its time is over, it comes again, and is given what there is."""
        self.lose(name)
        self.connect(name)
        self.assign()

    @rule(name=st.sampled_from(NAMES))
    def miss_an_assignment(self, name: str) -> None:
        """Something was given to it that it has never heard of, as its stream was lost."""
        missed = self.holdings(name) - {
            (report.job_id, report.attempt) for report in self.runners[name].said
        }
        self.runners[name].believes -= missed
        self.connect(name)

    @rule(name=st.sampled_from(NAMES))
    def hand_back(self, name: str) -> None:
        """It stops in good order."""
        count, _ = self.database.write_now(leases.hand_back, name, now=self.now)
        self.runners[name].connected = False
        self.runners[name].believes.clear()
        assert count == self.take(name, counts=False)

    @rule(seconds=st.sampled_from([1, 60, 200]))
    def wait(self, seconds: int) -> None:
        """Time passes, and who should have ended long ago is ended."""
        self.now += dt.timedelta(seconds=seconds)
        self.database.write_now(leases.end_late, now=self.now, grace=GRACE)
        for model in self.model.values():
            if model.state == "started" and model.deadline < self.now - GRACE:
                model.end("failed")

    # What must always hold

    @invariant()
    def jobs_are_as_the_model_says(self) -> None:
        rows = self.select(sa.select(JOBS))
        found = {
            row.id: (row.state, row.attempt, row.runner_id, bool(row.cancel_requested))
            for row in rows
        }
        assert found == {
            job: (model.state, model.attempt, model.holder, model.asked)
            for job, model in self.model.items()
        }
        for row in rows:
            assert (row.end_time is not None) == (row.state in FINAL)
            assert (row.deadline is not None) == (row.state == "started")
            assert (row.failure is not None) == (row.state == "failed")

    @invariant()
    def event_logs_are_dense_and_legal(self) -> None:
        newest = {row.id: row.last_event for row in self.select(sa.select(JOBS))}
        lives: dict[int, list[tuple[str, int]]] = {job: [] for job in newest}
        counts = dict.fromkeys(newest, 0)
        query = sa.select(JOB_EVENTS).order_by(JOB_EVENTS.c.job_id, JOB_EVENTS.c.sequence)
        for row in self.select(query):
            counts[row.job_id] += 1
            assert row.sequence == counts[row.job_id]
            if row.kind == "state":
                state, attempt, *_ = json.loads(row.payload)
                lives[row.job_id].append((state, attempt))
        assert counts == newest
        for job, life in lives.items():
            assert life[0] in {("queued", 0), ("started", 1)}
            for (state, attempt), (after, next_attempt) in itertools.pairwise(life):
                assert after in NEXT[state]
                assert next_attempt == attempt + (after == "started")
            assert life[-1] == (self.model[job].state, self.model[job].attempt)

    @invariant()
    def only_holders_were_believed(self) -> None:
        query = sa.select(JOB_LOGS).where(JOB_LOGS.c.logger == "")
        said: dict[int, list[str]] = {job: [] for job in self.model}
        for row in self.select(query.order_by(JOB_LOGS.c.job_id, JOB_LOGS.c.sequence)):
            said[row.job_id].append(row.message)
        assert said == {job: model.lines for job, model in self.model.items()}

    @invariant()
    def nobody_holds_more_than_it_can(self) -> None:
        assert all(len(self.holdings(name)) <= SLOTS for name in NAMES)

    # How the above is said

    def introductions(self) -> list[Introduction]:
        return [
            Introduction(runner_id=name, name=name, queues=("default",), slots=SLOTS)
            for name, runner in self.runners.items()
            if runner.connected
        ]

    def give(self, notices: list[Any]) -> list[int]:
        """Hear of the assignments in what a transaction says."""
        given = []
        for notice in notices:
            if isinstance(notice, Assignment):
                model = self.model[notice.lease.job_id]
                assert model.state == "queued"
                assert self.runners[notice.runner_id].connected
                model.state, model.holder = "started", notice.runner_id
                model.attempt += 1
                model.deadline = self.now + dt.timedelta(seconds=TIMEOUT)
                assert notice.lease.attempt == model.attempt
                lease = (notice.lease.job_id, notice.lease.attempt)
                self.runners[notice.runner_id].believes.add(lease)
                given.append(notice.lease.job_id)
        return given

    def take(self, name: str, *, counts: bool) -> int:
        """Take all jobs from a runner; returns how many."""
        held = [model for model in self.model.values() if model.holder == name]
        for model in held:
            model.lose(counts=counts)
        return len(held)

    def holds(self, name: str, lease: tuple[int, int]) -> bool:
        model = self.model[lease[0]]
        return (model.state, model.holder, model.attempt) == ("started", name, lease[1])

    def holdings(self, name: str) -> set[tuple[int, int]]:
        return {(job, m.attempt) for job, m in self.model.items() if m.holder == name}

    def is_known(self, name: str) -> bool:
        return bool(self.select(sa.text("SELECT 1 FROM runners WHERE runner_id = :n"), n=name))

    def committed(self, name: str) -> int:
        return len(self.runners[name].said)

    def select(self, query: Any, **values: Any) -> list[Any]:
        return self.database.read_now(lambda connection: list(connection.execute(query, values)))


Machine.TestCase.settings = settings(
    deadline=None, max_examples=60, stateful_step_count=60, print_blob=True
)
TestMachine = Machine.TestCase
