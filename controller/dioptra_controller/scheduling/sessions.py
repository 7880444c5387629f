"""Connected runners, and when each was last heard of."""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dioptra_controller.scheduling.messages import Lease, Message
from dioptra_controller.scheduling.runners import Node, RunnerInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """Who a connecting runner is, and what it thinks it holds.

    Attributes:
        runner_id: Unique for the life of its process.
        name: For people.
        queues: Queues that it serves.
        slots: How many jobs it takes at once.
        resources: Resources of its Ray cluster by name.
        ray_address: Address of its Ray cluster.
        leases: What it still holds after a lost stream.
        nodes: The nodes of its Ray cluster.
        controller: Id of the controller that it has come to.
        is_draining: Whether it ends what it holds, and takes nothing new.
    """

    runner_id: str
    name: str
    queues: tuple[str, ...]
    slots: int
    resources: Mapping[str, float] = field(default_factory=dict)
    ray_address: str = ""
    leases: tuple[Lease, ...] = ()
    nodes: tuple[Node, ...] = ()
    controller: str = ""
    is_draining: bool = False


class Session:
    """One stream to a runner, from its welcome to its end."""

    def __init__(self, introduction: Introduction) -> None:
        self.introduction = introduction
        self.is_welcome = False
        self.is_draining = introduction.is_draining
        self.beat = 0
        self.started_jobs = 0
        self._held_back: list[Message] = []
        self.last_seen = dt.datetime.now(dt.UTC)
        self.resources = introduction.resources
        self.nodes = introduction.nodes
        self._outbox: asyncio.Queue[Message | None] = asyncio.Queue()

    @property
    def may_be_given_jobs(self) -> bool:
        """Whether it takes any."""
        return self.is_welcome and not self.is_draining

    def welcome(self, first: Iterable[Message], *, beat: int = 0) -> None:
        """Say what comes first; only now what was to be said meanwhile makes sense."""
        self.beat = beat
        for message in (*first, *self._held_back):
            self._outbox.put_nowait(message)
        self.is_welcome = True

    def send(self, message: Message) -> None:
        """Say something to the runner; nothing is said after `close`."""
        if self.is_welcome:
            self._outbox.put_nowait(message)
        else:
            self._held_back.append(message)

    def close(self) -> None:
        """End the stream."""
        self._outbox.put_nowait(None)

    async def next_message(self) -> Message | None:
        """What to say next; None when the stream is to end."""
        return await self._outbox.get()

    def describe(self) -> RunnerInfo:
        """The runner for people."""
        who = self.introduction
        return RunnerInfo(
            runner_id=who.runner_id,
            name=who.name,
            queues=who.queues,
            slots=who.slots,
            started_jobs=self.started_jobs,
            resources=self.resources,
            nodes=self.nodes,
            ray_address=who.ray_address,
            last_seen=self.last_seen,
        )


class Sessions:
    """The sessions by runner, and the clocks of all runners that may hold leases.

    A clock outlives its session: a runner that lost its stream keeps its leases for a while.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._heard: dict[str, float] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def find(self, runner_id: str) -> Session | None:
        """The session of a connected runner."""
        return self._sessions.get(runner_id)

    def add(self, session: Session) -> None:
        """Take a session in; an older one of the same runner ends."""
        runner_id = session.introduction.runner_id
        if older := self._sessions.get(runner_id):
            older.close()
        self._sessions[runner_id] = session
        self._heard[runner_id] = self._clock()

    def close(self) -> None:
        """End all streams; the runners come again, here or elsewhere."""
        for session in self:
            session.close()
        self._sessions.clear()

    def remove(self, session: Session) -> None:
        """Forget a session whose stream has ended; the runner's clock goes on."""
        runner_id = session.introduction.runner_id
        if self._sessions.get(runner_id) is session:
            del self._sessions[runner_id]

    def retire(self, session: Session) -> None:
        """Give the runner nothing any more; its stream goes on until it has its answer."""
        self.remove(session)
        self._heard.pop(session.introduction.runner_id, None)

    def heard(self, session: Session) -> None:
        """The runner said something."""
        session.last_seen = dt.datetime.now(dt.UTC)
        self._heard[session.introduction.runner_id] = self._clock()

    def expect(self, runner_ids: Iterable[str]) -> None:
        """Begin the clocks of runners that hold leases but are not connected (yet)."""
        for runner_id in runner_ids:
            self._heard.setdefault(runner_id, self._clock())

    def excuse(self) -> None:
        """Begin all clocks again: it was us who could not hear."""
        for runner_id in self._heard:
            self._heard[runner_id] = self._clock()

    def heard_of(self, runner_ids: Iterable[str]) -> None:
        """Runners live that are connected elsewhere, or were a moment ago."""
        for runner_id in runner_ids:
            self._heard[runner_id] = self._clock()

    def silent(self, seconds: float) -> list[str]:
        """The runners that nobody has heard of for so long."""
        latest = self._clock() - seconds
        return sorted(runner_id for runner_id, time in self._heard.items() if time <= latest)

    def drop(self, runner_ids: Iterable[str]) -> None:
        """Stop the clocks of lost runners, and end their streams if there are any."""
        for runner_id in runner_ids:
            self._heard.pop(runner_id, None)
            if session := self._sessions.pop(runner_id, None):
                session.close()

    def end(self, runner_id: str, beat: int) -> None:
        """End the stream of a runner, if there is one that began before `beat`.

        What others say may come late, and be about a stream before this one.
        """
        session = self._sessions.get(runner_id)
        if session is not None and session.is_welcome and session.beat < beat:
            del self._sessions[runner_id]
            session.close()

    def welcome(self) -> list[Introduction]:
        """The runners that jobs may be assigned to."""
        return [session.introduction for session in self if session.may_be_given_jobs]

    def have_room(self) -> bool:
        """Whether a runner seems to have a free slot; the database knows."""
        return any(
            session.started_jobs < session.introduction.slots
            for session in self
            if not session.is_draining
        )

    def change_count(self, runner_id: str, change: int) -> None:
        """A runner was given a job, or has ended one."""
        if session := self._sessions.get(runner_id):
            session.started_jobs = max(0, session.started_jobs + change)

    def count(self, held: Mapping[str, int]) -> None:
        """Remember how many jobs each runner holds."""
        for session in self:
            session.started_jobs = held.get(session.introduction.runner_id, 0)
