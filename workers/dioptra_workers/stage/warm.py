"""A warm process: stages come over a socket, and their reports go back.

Ray starts the process, accounts for its CPU and says when it dies. It does not carry each
stage: a Ray task costs milliseconds, which is more than most of a short job.
"""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dioptra_ray.planning.plan import Plan
from dioptra_workers.stage.frames import read_frame, read_job, write_frame, write_report
from dioptra_workers.stage.request import (
    JobContext,
    Places,
    StageReport,
    StageRequest,
)

_KEPT = 64
_plans: dict[str, Plan] = {}


@dataclass(frozen=True, slots=True)
class WarmOrder:
    """One stage to run: the only one of its plan."""

    job: JobContext
    digest: str
    plan: Plan
    round: int

    def request(self, places: Places) -> StageRequest:
        """What `run_stage` is asked."""
        plan = self.plan
        return StageRequest(
            job=self.job,
            places=places,
            plan_digest=self.digest,
            description=plan.description,
            plugins=plan.plugins,
            artifact_tasks=plan.artifact_tasks,
            stage=plan.stages[0],
            round=self.round,
            isolated=plan.is_isolated,
        )


def write_order(job: list[Any], digest: str, plan_json: str | None, round_: int) -> bytes:
    """A stage to run; a plan that the process knows need not be sent again."""
    return write_frame([job, digest, plan_json, round_])


Later = Callable[[Callable[[], None]], None]
"""Takes what can wait until the report is on its way."""


def serve(path: str, key: str, run: Callable[[WarmOrder, Later], StageReport]) -> bool:
    """Run what comes over the socket at `path`, until it is closed or this process must end.

    Args:
        path: A Unix socket of the runner.
        key: Tells the runner who this is.
        run: Runs a stage; never raises.

    Returns:
        Whether this process must end.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(write_frame([key, os.getpid()]))
        with connection.makefile("rb") as stream:
            while True:
                try:
                    order = _read_order(read_frame(stream.read))
                except (EOFError, ConnectionError):
                    return False
                chores: list[Callable[[], None]] = []
                report = None if order is None else run(order, chores.append)
                connection.sendall(write_frame(report and write_report(report)))
                for chore in chores:
                    chore()
                if report is not None and report.retire:
                    return True


def _read_order(values: list[Any]) -> WarmOrder | None:
    """What to run; None if its plan is not known (any more)."""
    job, digest, plan_json, round_ = values
    if plan_json is not None and digest not in _plans:
        while len(_plans) >= _KEPT:
            del _plans[next(iter(_plans))]
        _plans[digest] = Plan.from_json(plan_json)
    plan = _plans.get(digest)
    return None if plan is None else WarmOrder(read_job(job), digest, plan, round_)
