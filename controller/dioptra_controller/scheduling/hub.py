"""The heart of the controller: it wakes watchers, assigns jobs to runners, and minds leases.

It holds nothing that matters: everything can be read from the database again. It must be
started in the event loop that the servicers run in.
"""

import asyncio
import datetime as dt
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
import structlog

from dioptra_controller.database.engine import Database
from dioptra_controller.jobs.notices import (
    JobChanged,
    JobEnded,
    JobMade,
    RunnerCame,
    RunnerLost,
    SlotFreed,
    StopWanted,
    SweepChanged,
    WorkArrived,
)
from dioptra_controller.jobs.outline import Outlines
from dioptra_controller.jobs.records import JobRecord
from dioptra_controller.jobs.reports import Report
from dioptra_controller.scheduling import assignments, intake, leases
from dioptra_controller.scheduling.decision import singles_at_end
from dioptra_controller.scheduling.messages import (
    Acknowledgement,
    Assignment,
    Cancellation,
    Greeting,
    Lease,
    Message,
)
from dioptra_controller.scheduling.newcomers import Newcomers
from dioptra_controller.scheduling.peers import Peers
from dioptra_controller.scheduling.presence import Presence
from dioptra_controller.scheduling.runners import RunnerInfo
from dioptra_controller.scheduling.sessions import Introduction, Session, Sessions
from dioptra_controller.scheduling.telegrams import EndedElsewhere, LookAgain, News
from dioptra_controller.scheduling.watching import Signal, Watchers
from dioptra_controller.sweeps.spaces import Spaces
from dioptra_ray.errors import UnavailableError

P = ParamSpec("P")
T = TypeVar("T")

_log = structlog.get_logger("dioptra_controller.scheduling")
_RETRY_SECONDS = 1.0


class Hub:
    """Connected runners, wake-ups and lease clocks of one database.

    Args:
        database: Where everything is.
        clock: Seconds for the lease clocks; never goes back.
        ticks: Seconds that tell whether this process stood still.
        now: The time of day.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], float] = time.monotonic,
        ticks: Callable[[], float] = time.monotonic,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.now = now
        self.outlines = Outlines()
        self.spaces = Spaces()
        self.lease_seconds = 30.0
        self.id = uuid.uuid4().hex
        self._database = database
        self._ticks = ticks
        began, first = now(), clock()
        self._steady_now: Callable[[], dt.datetime] = lambda: (
            began + dt.timedelta(seconds=clock() - first)
        )
        self._sessions = Sessions(clock)
        # SQLite has one controller, which need not talk with anybody.
        self._peers = None if database.is_sqlite else Peers(database, self.id, self._told)
        self._presence = None if database.is_sqlite else Presence(database, self.id, self._sessions)
        self._watchers = Watchers()
        self._newcomers = Newcomers()
        self._work = asyncio.Event()
        self._singles_in_a_row = 0
        # Whether somebody may wait for a slot, or for a limit: only then is a free one news.
        self._has_backlog = True
        # Taking leases back and greeting their holder must not overlap.
        self._lease_lock = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, lease_seconds: float, *, forget_runners: bool = False) -> None:
        """Begin to assign jobs and to mind leases, those of the time before included.

        Args:
            lease_seconds: How long a runner may be silent.
            forget_runners: Whether no runner of the time before is alive.
        """
        self.lease_seconds = lease_seconds
        holders = await self._database.read(assignments.list_leaseholders)
        if forget_runners and holders:
            await self.write(leases.expire, list(holders), controller=self.id, now=self.now())
            holders = {}
        self._sessions.expect(holders)
        if self._peers is not None:
            await self._peers.start()
        self._tasks = [
            asyncio.create_task(self._assign_always(), name="hub-assign"),
            asyncio.create_task(self._mind_leases_always(), name="hub-leases"),
        ]

    async def stop(self) -> None:
        """End every stream and all that runs here; what is committed stays.

        Calls that are still answered lease nothing any more: the jobs that they make wait
        for the next controller.
        """
        self._watchers.close()
        self._sessions.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._peers is not None:
            await self._peers.stop()

    def is_on_duty(self) -> bool:
        """Whether this controller does what one controller of a database is enough for."""
        return self._peers is None or self._peers.is_on_duty

    def committed(self, notices: Iterable[Any]) -> None:
        """Pass on what a transaction has changed; `Database` calls this after each commit."""
        for notice in notices:
            match notice:
                case JobMade(job):
                    if self._peers is None:
                        self._newcomers.add(job)
                case JobEnded(job_id):
                    self._newcomers.end(job_id)
                    self._watchers.wake(("end", job_id), notice)
                case Assignment(runner_id=runner_id):
                    self._sessions.change_count(runner_id, +1)
                    self._sessions.expect([runner_id])
                    # One that cannot be sent is sent again at the next hello, or expires.
                    self._send(runner_id, notice)
                case _:
                    self._told(notice)
        if self._peers is not None:
            self._peers.tell(notices)

    def _told(self, news: News) -> None:
        """Something has changed, here or on another controller."""
        match news:
            case JobChanged(job_id):
                self._watchers.wake(("job", job_id))
            case EndedElsewhere(job_id):
                self._watchers.wake(("end", job_id))
            case SweepChanged(sweep_id):
                self._watchers.wake(("sweep", sweep_id))
            case WorkArrived():
                self._work.set()
            case SlotFreed(runner_id):
                self._sessions.change_count(runner_id, -1)
                if self._has_backlog:
                    self._work.set()
            case LookAgain():
                self._watchers.wake_all()
                self._work.set()
            case _:
                self._tell_runner(news)

    def _tell_runner(self, news: StopWanted | RunnerLost | RunnerCame) -> None:
        match news:
            case StopWanted(runner_id, job_id, attempt):
                self._send(runner_id, Cancellation(Lease(job_id, attempt)))
            case RunnerLost(runner_id, beat):
                self._sessions.end(runner_id, beat)
            case RunnerCame(runner_id, beat, controller):
                if controller != self.id:
                    self._sessions.end(runner_id, beat)

    async def write(
        self,
        function: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Write to the database; see `Database.write`."""
        return await self._database.write(function, *args, **kwargs)

    async def create(self, function: Callable[[sa.Connection, Sequence[Introduction]], T]) -> T:
        """`write` something that makes a job, with the runners that it may be given to."""
        if not self._sessions.have_room():
            return await self.write(function, ())
        async with self._lease_lock:
            return await self.write(function, self._sessions.welcome())

    def runners(self) -> Sequence[RunnerInfo]:
        """The runners that are connected, here or elsewhere, sorted by name."""
        infos = [session.describe() for session in self._sessions if session.is_welcome]
        if self._presence is not None:
            ours = {info.runner_id for info in infos}
            infos += (info for info in self._presence.others if info.runner_id not in ours)
        return sorted(infos, key=lambda info: (info.name, info.runner_id))

    def connected(self) -> Sequence[str]:
        """Ids of the runners that are connected, here or elsewhere."""
        return [runner.runner_id for runner in self.runners()]

    def watch_job(self, job_id: int) -> AbstractContextManager[asyncio.Event]:
        """An event that is set whenever a job has new events or log records."""
        return self._watchers.watch(("job", job_id))

    def watch_end(self, job_id: int) -> AbstractContextManager[Signal]:
        """A signal that is set, with the `JobEnded`, when a job has reached its final state."""
        return self._watchers.watch(("end", job_id))

    def find_newcomer(self, job_id: int) -> JobRecord | None:
        """A job as it was made a moment ago, with its steps, unless it has ended."""
        return self._newcomers.find(job_id)

    def watch_sweep(self, sweep_id: int) -> AbstractContextManager[asyncio.Event]:
        """An event that is set whenever the counts of a sweep have changed."""
        return self._watchers.watch(("sweep", sweep_id))

    async def connect(self, introduction: Introduction) -> tuple[Session, Greeting]:
        """Take a runner in; jobs may be assigned to it from now on."""
        introduction = replace(introduction, controller=self.id)
        session = Session(introduction)
        async with self._lease_lock:
            self._sessions.add(session)
            try:
                greeting = await self.write(leases.greet, introduction, now=self.now())
            except BaseException:
                self._sessions.remove(session)
                raise
        session.welcome(greeting.first, beat=greeting.beat)
        self._work.set()
        _log.info("runner.connected", runner=introduction.name, slots=introduction.slots)
        return session, greeting

    def disconnect(self, session: Session) -> None:
        """The stream has ended; its leases live on until their time is over."""
        self._sessions.remove(session)
        if self._presence is not None:
            self._presence.left(session)
        _log.info("runner.disconnected", runner=session.introduction.name)

    async def leave(self, session: Session) -> None:
        """The runner stops in good order: queue its jobs again, for others."""
        who = session.introduction
        async with self._lease_lock:
            self._sessions.retire(session)
            count = await self.write(leases.hand_back, who.runner_id, now=self.now())
        _log.info("runner.left", runner=who.name, jobs=count)

    def heard(self, session: Session) -> None:
        """The runner said something, which extends its leases."""
        self._sessions.heard(session)
        if self._presence is not None:
            self._presence.heard(session)

    async def report(self, session: Session, reports: Sequence[Report]) -> None:
        """Commit what a runner reports, then acknowledge it."""
        committed = await self.write(
            intake.commit_reports,
            session.introduction.runner_id,
            reports,
            outlines=self.outlines,
            now=self.now(),
        )
        session.send(Acknowledgement(committed))

    async def check_leases(self) -> None:
        """Take back the leases of lost runners, and press those that are late."""
        try:
            await self._check_leases()
        except UnavailableError:
            # Whose database is away can greet nobody: no runner is to blame.
            self._sessions.excuse()
            raise

    async def _check_leases(self) -> None:
        beats: Mapping[str, int] | None = None
        if self._presence is not None:
            await self._presence.tell(now=self.now())
            beats = await self._presence.look(now=self.now(), lease_seconds=self.lease_seconds)
        async with self._lease_lock:
            lost = self._sessions.silent(self.lease_seconds)
            if lost:
                count = await self.write(
                    leases.expire, lost, controller=self.id, beats=beats, now=self.now()
                )
                self._sessions.drop(lost)
                _log.info("runner.lost", runners=lost, jobs=count)
        grace = dt.timedelta(seconds=self.lease_seconds)
        # A clock that is set forward makes no job late, and one that is set back neither.
        now = min(self.now(), self._steady_now())
        if await self._database.read(leases.has_late, now=now, grace=grace):
            await self.write(leases.end_late, now=now, grace=grace)

    async def assign(self) -> None:
        """Fill the free slots of the runners, once."""
        async with self._lease_lock:
            runners = self._sessions.welcome()
            # Until the answer is known, for what happens meanwhile.
            self._has_backlog = True
            if not runners:
                return
            assigned = await self.write(
                assignments.assign,
                runners,
                spaces=self.spaces,
                singles_in_a_row=self._singles_in_a_row,
                now=self.now(),
            )
        self._singles_in_a_row = singles_at_end(assigned.grants, self._singles_in_a_row)
        self._sessions.count(assigned.held)
        rooms = assignments.list_rooms(runners, assigned.held)
        self._has_backlog = assigned.has_limit or any(room.free == 0 for room in rooms)

    def _send(self, runner_id: str, message: Message) -> None:
        if session := self._sessions.find(runner_id):
            session.send(message)

    async def _assign_always(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            if not await self._survives(self.assign()):
                self._work.set()

    async def _mind_leases_always(self) -> None:
        pause = min(1.0, self.lease_seconds / 4)
        while True:
            before = self._ticks()
            await asyncio.sleep(pause)
            if self._ticks() - before > pause + self.lease_seconds / 4:
                # Who stood still has heard nobody.
                _log.warning("leases.extended", reason="the controller stood still")
                self._sessions.excuse()
            await self._survives(self.check_leases())

    async def _survives(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do something that must never end the loop that does it; False if it failed."""
        try:
            await work
        except UnavailableError as error:
            _log.warning("database.unavailable", message=error.message)
        except Exception:  # noqa: BLE001 - logged with its trace
            _log.exception("scheduling.crashed")
        else:
            return True
        await asyncio.sleep(_RETRY_SECONDS)
        return False
