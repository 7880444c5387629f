"""Which job goes to which runner: a function of values, without a clock or a database.

Queues of a higher priority go first, as far as their limits and the runners that serve them
allow. Within one priority, jobs that somebody submitted one by one go before the trials of
sweeps, so that nobody waits behind a hundred thousand of them; so that a flood of single jobs
cannot stop the sweeps either, one assignment in four is offered to a sweep first. Among
sweeps, the one with the fewest running trials is next; among runners, the one with the most
room.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from dioptra_controller.scheduling.runners import ALL_QUEUES, serves

SINGLES_IN_A_ROW = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerRoom:
    """A connected runner: which queues it serves, and how many jobs it can take now.

    Attributes:
        runner_id: The runner.
        queues: Queues that it serves; `ALL_QUEUES` stands for all.
        free: How many jobs it can take.
    """

    runner_id: str
    queues: frozenset[str]
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRule:
    """What a queue says about its jobs.

    Attributes:
        priority: Queues with a higher one go first.
        limit: At most so many of its jobs run at once; 0 for no limit.
        running: How many run now, on whatever runner, trials included.
    """

    priority: int = 0
    limit: int = 0
    running: int = 0

    @property
    def is_full(self) -> bool:
        """Whether no further job of it may run."""
        return 0 < self.limit <= self.running


NO_RULE = QueueRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingJob:
    """A queued job that is not a trial."""

    job_id: int
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingSweep:
    """A sweep with trials left.

    Attributes:
        sweep_id: The sweep.
        queue: Where its trials wait.
        running: How many of its trials run now.
        repeated: Jobs of trials that were queued again; they go before new trials.
        unmade: How many trials have no job yet.
    """

    sweep_id: int
    queue: str
    running: int
    repeated: tuple[int, ...]
    unmade: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A job for a runner: one that exists, or the next trial of a sweep."""

    runner_id: str
    job_id: int | None = None
    sweep_id: int | None = None


@dataclass(slots=True)
class _Trials:
    sweep: WaitingSweep
    running: int
    repeated: deque[int]
    unmade: int

    @property
    def is_left(self) -> bool:
        return bool(self.repeated) or self.unmade > 0


def decide(
    runners: Iterable[RunnerRoom],
    jobs: Sequence[WaitingJob],
    sweeps: Iterable[WaitingSweep],
    *,
    rules: Mapping[str, QueueRule] = MappingProxyType({}),
    singles_in_a_row: int = 0,
) -> list[Grant]:
    """Fill the free slots.

    Args:
        runners: The connected runners.
        jobs: Jobs that wait, in the order of their submission within each queue.
        sweeps: Sweeps with trials left.
        rules: Of queues that have any, by name.
        singles_in_a_row: How many single jobs were assigned since the last trial.

    Returns:
        What goes where, in the order in which it was decided.
    """
    return _Decision(runners, jobs, sweeps, rules, singles_in_a_row).grants()


def singles_at_end(grants: Iterable[Grant], before: int = 0) -> int:
    """How many single jobs were assigned since the last trial, for the next decision."""
    count = before
    for grant in grants:
        count = count + 1 if grant.sweep_id is None else 0
    return count


class _Decision:
    """The state of one decision; it ends when no slot or nothing that fits is left."""

    def __init__(
        self,
        runners: Iterable[RunnerRoom],
        jobs: Sequence[WaitingJob],
        sweeps: Iterable[WaitingSweep],
        rules: Mapping[str, QueueRule],
        singles_in_a_row: int,
    ) -> None:
        self._runners = sorted(runners, key=lambda runner: runner.runner_id)
        self._free = {runner.runner_id: runner.free for runner in self._runners}
        self._jobs: dict[str, deque[WaitingJob]] = defaultdict(deque)
        for job in jobs:
            self._jobs[job.queue].append(job)
        self._trials = [
            _Trials(sweep, sweep.running, deque(sweep.repeated), sweep.unmade) for sweep in sweeps
        ]
        queues = {*self._jobs, *(trials.sweep.queue for trials in self._trials)}
        self._rules = {queue: rules.get(queue, NO_RULE) for queue in queues}
        self._singles_in_a_row = singles_in_a_row

    def grants(self) -> list[Grant]:
        """Decide until nothing is left to decide."""
        decided: list[Grant] = []
        while grant := self._next():
            self._free[grant.runner_id] -= 1
            self._singles_in_a_row = singles_at_end([grant], self._singles_in_a_row)
            decided.append(grant)
        return decided

    def _next(self) -> Grant | None:
        queues = self._first_queues()
        if not queues:
            return None
        if self._singles_in_a_row >= SINGLES_IN_A_ROW:
            return self._next_trial(queues) or self._next_single(queues)
        return self._next_single(queues) or self._next_trial(queues)

    def _first_queues(self) -> set[str]:
        """Of the queues from which something could go to a runner, those that go first."""
        served = [runner.queues for runner in self._runners if self._free[runner.runner_id] > 0]
        everything = any(ALL_QUEUES in queues for queues in served)
        named = set().union(*served)
        open_queues = [
            queue
            for queue, rule in self._rules.items()
            if (everything or queue in named) and not rule.is_full and self._has_work(queue)
        ]
        highest = max((self._rules[queue].priority for queue in open_queues), default=0)
        return {queue for queue in open_queues if self._rules[queue].priority == highest}

    def _has_work(self, queue: str) -> bool:
        return bool(self._jobs.get(queue)) or any(
            trials.sweep.queue == queue and trials.is_left for trials in self._trials
        )

    def _next_single(self, queues: set[str]) -> Grant | None:
        heads = [self._jobs[queue][0] for queue in queues if self._jobs.get(queue)]
        if not heads:
            return None
        job = min(heads, key=lambda head: head.job_id)
        self._jobs[job.queue].popleft()
        return Grant(runner_id=self._take(job.queue), job_id=job.job_id)

    def _next_trial(self, queues: set[str]) -> Grant | None:
        waiting = [
            trials for trials in self._trials if trials.sweep.queue in queues and trials.is_left
        ]
        if not waiting:
            return None
        trials = min(waiting, key=lambda item: (item.running, item.sweep.sweep_id))
        trials.running += 1
        runner_id = self._take(trials.sweep.queue)
        sweep_id = trials.sweep.sweep_id
        if trials.repeated:
            job_id = trials.repeated.popleft()
            return Grant(runner_id=runner_id, job_id=job_id, sweep_id=sweep_id)
        trials.unmade -= 1
        return Grant(runner_id=runner_id, sweep_id=sweep_id)

    def _take(self, queue: str) -> str:
        """Count a job of a queue that goes now, and choose its runner."""
        rule = self._rules[queue]
        self._rules[queue] = replace(rule, running=rule.running + 1)
        serving = [runner.runner_id for runner in self._runners if serves(runner, queue)]
        return max(serving, key=lambda runner_id: self._free[runner_id])
