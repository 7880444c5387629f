"""Which job goes to which runner: a function of values, without a clock or a database.

Jobs that somebody submitted one by one go before the trials of sweeps, so that nobody waits
behind a hundred thousand of them; so that a flood of single jobs cannot stop the sweeps
either, one assignment in four is offered to a sweep first. Among sweeps, the one with the
fewest running trials is next; among runners, the one with the most room.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SINGLES_IN_A_ROW = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerRoom:
    """A connected runner: which queues it serves, and how many jobs it can take now."""

    runner_id: str
    queues: frozenset[str]
    free: int


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


def decide(
    runners: Iterable[RunnerRoom],
    jobs: Sequence[WaitingJob],
    sweeps: Iterable[WaitingSweep],
    *,
    singles_in_a_row: int = 0,
) -> list[Grant]:
    """Fill the free slots.

    Args:
        runners: The connected runners.
        jobs: Jobs that wait, in the order of their submission.
        sweeps: Sweeps with trials left.
        singles_in_a_row: How many single jobs were assigned since the last trial.

    Returns:
        What goes where, in the order in which it was decided.
    """
    return _Decision(runners, jobs, sweeps, singles_in_a_row).grants()


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
        open_queues = {
            queue
            for runner in self._runners
            if self._free[runner.runner_id] > 0
            for queue in runner.queues
        }
        if not open_queues:
            return None
        if self._singles_in_a_row >= SINGLES_IN_A_ROW:
            return self._next_trial(open_queues) or self._next_single(open_queues)
        return self._next_single(open_queues) or self._next_trial(open_queues)

    def _next_single(self, open_queues: set[str]) -> Grant | None:
        heads = [self._jobs[queue][0] for queue in open_queues if self._jobs.get(queue)]
        if not heads:
            return None
        job = min(heads, key=lambda head: head.job_id)
        self._jobs[job.queue].popleft()
        return Grant(runner_id=self._roomiest(job.queue), job_id=job.job_id)

    def _next_trial(self, open_queues: set[str]) -> Grant | None:
        waiting = [
            trials
            for trials in self._trials
            if trials.sweep.queue in open_queues and (trials.repeated or trials.unmade > 0)
        ]
        if not waiting:
            return None
        trials = min(waiting, key=lambda item: (item.running, item.sweep.sweep_id))
        trials.running += 1
        runner_id = self._roomiest(trials.sweep.queue)
        sweep_id = trials.sweep.sweep_id
        if trials.repeated:
            job_id = trials.repeated.popleft()
            return Grant(runner_id=runner_id, job_id=job_id, sweep_id=sweep_id)
        trials.unmade -= 1
        return Grant(runner_id=runner_id, sweep_id=sweep_id)

    def _roomiest(self, queue: str) -> str:
        serving = [runner.runner_id for runner in self._runners if queue in runner.queues]
        return max(serving, key=lambda runner_id: self._free[runner_id])
