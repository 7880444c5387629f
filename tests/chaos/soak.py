"""Mixed work for a long time: what must not grow does not, and what must grows no faster.

`python -m tests.chaos.soak [SECONDS]` starts a deployment of its own, keeps it busy, prints
a line now and then, and says at the end what has grown too much.
"""

import contextlib
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dioptra_ray.store import StoreSettings, open_store
from tests.chaos.bed import Bed
from tests.chaos.load import Load, register, submit
from tests.tools.s3_server import s3_server

HOUR = 3600.0
LINES = 40
"""About so many lines are printed, at most one every ten seconds."""

ARTIFACT_BYTES = 200_000
_MIB = 1024**2
# What a job may cost for ever: its row, events, logs; the journal of the database besides.
DATABASE_BYTES_A_JOB = 24_000
DATABASE_SLACK = 24 * _MIB
STORE_SLACK = 2 * _MIB
MEMORY_GROWTH, MEMORY_SLACK = 0.15, 24 * _MIB
DESCRIPTORS_SLACK, THREADS_SLACK = 16, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process has: bytes resident, open descriptors, threads."""

    memory: int
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The deployment at one moment; sizes are in bytes."""

    seconds: float
    jobs: int
    kept: int
    controller: Usage
    runner: Usage
    processes: int
    database: int
    store: int


def read_usage(pid: int) -> Usage:
    """Look at a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return Usage(
        memory=int(fields["VmRSS"].split()[0]) * 1024,
        descriptors=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        threads=int(fields["Threads"]),
    )


def problems(samples: Sequence[Sample]) -> list[str]:
    """What has grown beyond its bound from the second quarter to the last."""
    count = len(samples)
    if count < 8:
        return [f"only {count} samples were taken, 8 are needed to judge; run it for longer"]
    early, late = samples[count // 4 : count // 2], samples[-(count // 4) :]
    found = []

    def judge(what: str, of: Callable[[Sample], float], factor: float, slack: float) -> None:
        before, after = (statistics.median(map(of, part)) for part in (early, late))
        if after > before * (1 + factor) + slack:
            found.append(f"{what} grew from {before:.0f} to {after:.0f}")

    for name in ("controller", "runner"):

        def usage(sample: Sample, name: str = name) -> Usage:
            found: Usage = getattr(sample, name)
            return found

        judge(f"memory of the {name}", lambda s: usage(s).memory, MEMORY_GROWTH, MEMORY_SLACK)
        judge(f"descriptors of the {name}", lambda s: usage(s).descriptors, 0, DESCRIPTORS_SLACK)
        judge(f"threads of the {name}", lambda s: usage(s).threads, 0, THREADS_SLACK)
    judge("number of processes", lambda sample: sample.processes, 0, 8)
    last = samples[-1]
    if last.database > last.jobs * DATABASE_BYTES_A_JOB + DATABASE_SLACK:
        found.append(f"the database has {last.database} bytes for {last.jobs} jobs")
    if last.store > last.kept * ARTIFACT_BYTES * 1.05 + STORE_SLACK:
        found.append(f"the store has {last.store} bytes for {last.kept} artifacts")
    return found


class Soak:
    """Keeps a deployment busy, and looks at it."""

    def __init__(self, bed: Bed, state: Path) -> None:
        self._bed = bed
        self._state = state
        settings = StoreSettings(
            endpoint=bed.s3.endpoint,
            access_key=bed.s3.access_key,
            secret_key=bed.s3.secret_key,
            secure=False,
        )
        self._store = open_store(bed.store_url, settings)
        self._chance = random.Random(7)
        self._began = time.monotonic()
        self._jobs = self._kept = 0
        self.samples: list[Sample] = []

    def run(self, seconds: float) -> None:
        """Do so for a while."""
        print(_HEAD, flush=True)
        pause = max(10.0, seconds / LINES)
        due = 0.0
        waves: list[Load] = []
        while (now := time.monotonic() - self._began) < seconds:
            waves.append(self._submit())
            if len(waves) > 2:
                self._finish(waves.pop(0))
            if now >= due:
                due = now + pause
                self._look()
        for wave in waves:
            self._finish(wave)
        self._look()

    def _submit(self) -> Load:
        return submit(
            self._bed.client,
            self._chance,
            self._bed.ledger,
            quick=6,
            trials=10,
            seconds=0.05,
            size=ARTIFACT_BYTES,
        )

    def _finish(self, load: Load) -> None:
        for job in load.jobs:
            job.wait(120)
            assert job.status == "finished", (job.failure, self._bed.logs())
        assert load.sweep is not None
        load.sweep.wait(120)
        assert load.sweep.counts["finished"] == load.sweep.size, load.sweep.counts
        self._jobs += len(load.jobs) + load.sweep.size
        self._kept += len(load.digests)
        self._bed.ledger.unlink(missing_ok=True)

    def _look(self) -> None:
        bed = self._bed
        database = sum(file.stat().st_size for file in self._state.iterdir())
        self.samples.append(
            Sample(
                seconds=time.monotonic() - self._began,
                jobs=self._jobs,
                kept=self._kept,
                controller=read_usage(bed.controller.pid),
                runner=read_usage(bed.runner.pid),
                processes=len(bed.processes()),
                database=database,
                # All that lies there, also what is of no use any more.
                store=sum(stored.size for stored in self._store.take_stock()),
            )
        )
        print(_line(self.samples[-1]), flush=True)


_HEAD = "    s   jobs  controller MB  fds  thr  runner MB  fds  thr  procs  database MB  store MB"


def _line(sample: Sample) -> str:
    ours, theirs = sample.controller, sample.runner
    return (
        f"{sample.seconds:5.0f} {sample.jobs:6d}  {ours.memory / _MIB:13.1f} {ours.descriptors:4d}"
        f" {ours.threads:4d}  {theirs.memory / _MIB:9.1f} {theirs.descriptors:4d}"
        f" {theirs.threads:4d}  {sample.processes:5d}  {sample.database / _MIB:11.2f}"
        f"  {sample.store / _MIB:8.2f}"
    )


@contextlib.contextmanager
def deployed() -> Iterator[tuple[Bed, Path]]:
    """A deployment, and the directory of its database."""
    folder = Path(tempfile.mkdtemp(prefix="dioptra-soak-", dir="/tmp"))
    state = folder / "state"
    try:
        with s3_server(folder / "s3") as s3:
            bed = Bed(folder, s3, f"sqlite:///{state}/controller.db", seed=7)
            try:
                bed.start_controller()
                bed.start_runner()
                register(bed.client)
                yield bed, state
            finally:
                bed.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(seconds: float = HOUR) -> int:
    """Soak a deployment; the exit code says whether all stayed within bounds."""
    with deployed() as (bed, state):
        soak = Soak(bed, state)
        soak.run(seconds)
        found = problems(soak.samples)
    for problem in found:
        print(f"too much: {problem}")
    print("failed" if found else "all within bounds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:2])))
