"""A three-step trivial job on a warm deployment, submit to result, next to hand-written Ray.

Ours goes through gRPC, is durable before it runs, and comes back as a finished job with its
steps; the baseline is the same three functions as three chained Ray tasks of a bare driver.
"""

import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ray

from dioptra_ray import embedded
from dioptra_ray.client import Client, Job
from tests.bench.measure import interleave, report

BURST = 200
PLUGIN = """
from dioptra import pyplugs

@pyplugs.register
def one(x):
    return x + 1

@pyplugs.register
def two(x):
    return x * 2

@pyplugs.register
def three(x):
    return x - 3
"""

DESCRIPTION = """
parameters: {x: 1}
tasks:
  one: {plugin: trivial.steps.one, inputs: [{x: any}], outputs: {value: any}}
  two: {plugin: trivial.steps.two, inputs: [{x: any}], outputs: {value: any}}
  three: {plugin: trivial.steps.three, inputs: [{x: any}], outputs: {value: any}}
graph:
  a: {one: $x}
  b: {two: $a}
  c: {three: $b}
"""


@ray.remote
def one(x: int) -> int:
    return x + 1


@ray.remote
def two(x: int) -> int:
    return x * 2


@ray.remote
def three(x: int) -> int:
    return x - 3


class Parts:
    """Where the time of each job went, in seconds by part."""

    def __init__(self) -> None:
        self._taken: dict[str, list[float]] = {}

    def add(self, job: Job, begun: float, submitted: float, ended: float) -> None:
        """Take the times of a job apart; all clocks are this machine's."""
        record = job.record
        first = min(step.started for step in record.steps.values() if step.started)
        last = max(step.ended for step in record.steps.values() if step.ended)
        marks = {
            "submit: the call": submitted - begun,
            "asked for to first step called": first.timestamp() - begun,
            "first step called to last ended": (last - first).total_seconds(),
            "last step ended to result": ended - last.timestamp(),
        }
        for part, seconds in marks.items():
            self._taken.setdefault(part, []).append(seconds)

    def print(self) -> None:
        """Print the medians."""
        for part, seconds in self._taken.items():
            print(f"    {part:<42} p50 {statistics.median(seconds) * 1e3:9.2f} ms")


def burst(client: Client) -> float:
    """How many of BURST jobs a second are done, from the first call to the last end."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(8) as threads:
        jobs = threads.map(lambda x: client.jobs.submit("trivial", {"x": x}), range(BURST))
        ends = list(threads.map(lambda job: job.wait().status, jobs))
    if set(ends) != {"finished"}:
        raise RuntimeError(ends)
    return BURST / (time.perf_counter() - begun)


def ray_burst() -> float:
    """The same by hand."""
    begun = time.perf_counter()
    ray.get([three.remote(two.remote(one.remote(x))) for x in range(BURST)])
    return BURST / (time.perf_counter() - begun)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        plugin = Path(folder) / "plugins" / "trivial"
        plugin.mkdir(parents=True)
        (plugin / "steps.py").write_text(PLUGIN)
        state = Path(folder) / "state"
        embedded.up(state_dir=state)
        try:
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
            with Client(state_dir=state) as client:
                client.plugins.put(plugin)
                client.entrypoints.put("trivial", DESCRIPTION, plugins=["trivial"])

                parts = Parts()

                def job() -> None:
                    begun = time.time()
                    queued = client.jobs.submit("trivial", parameters={"x": 4})
                    submitted = time.time()
                    done = queued.wait()
                    if done.status != "finished":
                        raise RuntimeError(done.failure)
                    parts.add(done, begun, submitted, time.time())

                def chain() -> None:
                    if ray.get(three.remote(two.remote(one.remote(4)))) != 7:
                        raise RuntimeError

                results = interleave(
                    {"three Ray tasks": chain, "one job": job}, repeats=60, warmup=40
                )
                rates = [(ray_burst(), burst(client)) for _ in range(3)]
        finally:
            ray.shutdown()
            embedded.down(state_dir=state)
    report("three-step trivial job, warm, submit to result", results, baseline="three Ray tasks")
    parts.print()
    by_hand, ours = (statistics.median(column) for column in zip(*rates, strict=True))
    print(f"  {BURST} at once: {ours:.0f} jobs/s, three Ray tasks each {by_hand:.0f} jobs/s")


if __name__ == "__main__":
    main()
