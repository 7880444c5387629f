"""Graphs on the runner's driver next to hand-written Ray, and the costs inside a stage.

The controller is left out: it is the same for every graph (see bench_latency).
"""

import asyncio
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dioptra_ray.planning import PlanOptions, compile_plan
from dioptra_ray.planning.plan import Plan, PluginBundle
from dioptra_ray.plugins.activation import PluginSet, activate
from dioptra_ray.plugins.bundle import pack
from dioptra_ray.store import ArtifactStore, bundle_key, open_store
from dioptra_workers.runner.cluster import Cluster, prepare_environment
from tests.bench.measure import Measurement, interleave, ratio, report

BRANCHES = 8
STEPS = 1000
ROUNDS = 15
SOURCE = b"""
import time
import numpy
from dioptra import pyplugs

@pyplugs.register
def source():
    return 1

@pyplugs.register
def spin(x):
    until = time.thread_time() + 0.1
    while time.thread_time() < until:
        pass
    return x

@pyplugs.register
def join(*values):
    return sum(values)

@pyplugs.register
def make():
    return numpy.ones(32 * 1024 * 1024)

@pyplugs.register
def change(array):
    array += 1
    return array

@pyplugs.register
def calls():
    array = make()
    for _ in range(3):
        array = change(array)
    return array

@pyplugs.register
def peek(array, before):
    return before + array[::4096].sum()

@pyplugs.register
def noop(x=0):
    return x
"""


def _tasks() -> dict[str, Any]:
    names = ("source", "spin", "join", "make", "change", "calls", "noop")
    tasks: dict[str, Any] = {
        name: {
            "plugin": f"work.tasks.{name}",
            "inputs": [{"name": "x", "type": "any", "required": False}],
            "outputs": {"value": "any"},
        }
        for name in names
    }
    tasks["peek"] = {
        "plugin": "work.tasks.peek",
        "inputs": [{"name": "array", "type": "any"}, {"name": "before", "type": "any"}],
        "outputs": {"value": "any"},
    }
    return tasks


def diamond(*, parallel: bool) -> dict[str, Any]:
    """One source, eight branches of 100 ms, one join."""
    graph: dict[str, Any] = {"source": {"source": []}}
    branches = [f"b{number}" for number in range(BRANCHES)]
    graph |= {name: {"spin": ["$source"]} for name in branches}
    tasks = _tasks()
    tasks["join"]["inputs"] = [{"name": f"x{n}", "type": "any"} for n in range(BRANCHES)]
    graph["join"] = {"join": [f"${name}" for name in branches]}
    return {"tasks": tasks, "graph": graph, "execution": {"parallel": parallel}}


def array(*, apart: bool) -> dict[str, Any]:
    """A 256 MB array that four steps change, in one stage or in four."""
    graph: dict[str, Any] = {"s0": {"make": []}}
    for number in range(1, 4):
        graph[f"s{number}"] = {"change": [f"$s{number - 1}"]}
    # Different wishes keep steps apart; these are all fulfilled by the same node.
    steps = {f"s{n}": {"memory": 1_000_000 * (n + 1)} for n in range(4)} if apart else {}
    return {"tasks": _tasks(), "graph": graph, "execution": {"steps": steps}}


def calls() -> dict[str, Any]:
    """The same as plain Python calls, in one step of a job."""
    return {"tasks": _tasks(), "graph": {"s0": {"calls": []}}}


def readers() -> dict[str, Any]:
    """A 256 MB array that three steps look at, each in a process of its own."""
    graph: dict[str, Any] = {"made": {"make": []}}
    for number in range(3):
        before = f"$s{number - 1}" if number else 0
        graph[f"s{number}"] = {"peek": ["$made", before]}
    steps = {f"s{n}": {"memory": 1_000_000 * (n + 1), "readonly": True} for n in range(3)}
    return {"tasks": _tasks(), "graph": graph, "execution": {"steps": steps}}


def many() -> dict[str, Any]:
    """A chain of tiny steps."""
    graph: dict[str, Any] = {"s0": {"noop": []}}
    for number in range(1, STEPS):
        graph[f"s{number}"] = {"noop": [f"$s{number - 1}"]}
    return {"tasks": _tasks(), "graph": graph}


class Jobs:
    """Runs plans, one after another, from ordinary code."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        from dioptra_workers.runner.driver import Driver  # noqa: PLC0415 - imports Ray

        self._loop = loop
        self._ids = itertools.count(1)
        self.store: ArtifactStore = open_store(f"file://{folder}/store")
        self.store.check()
        bundle = pack({"tasks.py": SOURCE})
        self.store.put_blob(bundle_key(bundle.digest), bundle.content)
        self._options = PlanOptions(plugins=(PluginBundle(name="work", digest=bundle.digest),))
        # No warm processes: they would hold the CPUs that the tasks written by hand need.
        self.driver = Driver(store_url=self.store.url, scratch_dir=str(folder / "scratch"))

    def runner(self, description: dict[str, Any]) -> Callable[[], None]:
        """A function that runs the description once."""
        from dioptra_workers.runner.orders import JobOrder  # noqa: PLC0415 - imports Ray
        from dioptra_workers.stage.request import JobContext  # noqa: PLC0415 - as above

        plan: Plan = compile_plan(description, self._options)
        digest = plan.digest
        print(f"  plan of {len(plan.order)} steps: {len(plan.stages)} stages")

        def run() -> None:
            job = JobContext(job_id=next(self._ids), attempt=1)
            order = JobOrder(job=job, plan=plan, plan_digest=digest)
            ended = self._loop.run_until_complete(self.driver.run(order, lambda _: None))
            if ended.outcome != "finished":
                raise RuntimeError(ended.failure)

        return run


def spin(x: int) -> int:
    """100 ms of one CPU."""
    until = time.thread_time() + 0.1
    while time.thread_time() < until:
        pass
    return x


def by_hand() -> tuple[Callable[[], None], Callable[[], None], Callable[[], None]]:
    """The diamond, the array that is changed, and the one that is read, as Ray tasks."""
    import ray  # noqa: PLC0415 - reads the environment, which is prepared by now

    source, make = ray.remote(lambda: 1), ray.remote(lambda: np.ones(32 * 1024 * 1024))
    branch, join = ray.remote(spin), ray.remote(lambda *values: sum(values))

    def change(value: Any) -> Any:
        value = value.copy()  # what arrives cannot be written to
        value += 1
        return value

    changed = ray.remote(change)

    def diamond() -> None:
        first = source.remote()
        ray.get(join.remote(*(branch.remote(first) for _ in range(BRANCHES))))

    def array() -> None:
        ref = make.remote()
        for _ in range(3):
            ref = changed.remote(ref)
        ray.wait([ref], fetch_local=False)

    looked_at = ray.remote(lambda value, before: before + value[::4096].sum())

    def readers() -> None:
        made, ref = make.remote(), 0
        for _ in range(3):
            ref = looked_at.remote(made, ref)
        ray.get(ref)

    return diamond, array, readers


def plain_diamond() -> None:
    sum(spin(1) for _ in range(BRANCHES))


def reactivation(folder: Path) -> Measurement:
    """How long it takes to activate a warm plugin set again."""
    for name in ("one", "two"):
        (folder / name / "work").mkdir(parents=True)
        (folder / name / "work" / "tasks.py").write_bytes(SOURCE)
    sets = [PluginSet(key=name, root=folder / name) for name in ("one", "two")]

    def use(plugin_set: PluginSet) -> float:
        begun = time.perf_counter()
        with activate(plugin_set):
            import work.tasks  # type: ignore[import-not-found] # noqa: F401, PLC0415

            return time.perf_counter() - begun

    taken = [use(sets[number % 2]) for number in range(220)][20:]
    return Measurement(name="activating a warm plugin set", seconds=tuple(taken))


def main() -> None:
    """Measure and print."""
    prepare_environment("local")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cluster = Cluster("local", num_cpus=2)
        loop = asyncio.new_event_loop()
        try:
            jobs = Jobs(folder, loop)
            loop.run_until_complete(_start(jobs))
            _measure(jobs, folder)
            loop.run_until_complete(jobs.driver.stop())
        finally:
            cluster.close()
            loop.close()


async def _start(jobs: Jobs) -> None:
    jobs.driver.start()
    await jobs.driver.warm_up()


def _measure(jobs: Jobs, folder: Path) -> None:
    ray_diamond, ray_array, ray_readers = by_hand()
    contestants = {
        "hand-written Ray": ray_diamond,
        "one process, plain Python": plain_diamond,
        "a job": jobs.runner(diamond(parallel=True)),
    }
    results = interleave(contestants, repeats=ROUNDS, warmup=2)
    report("diamond of 8 x 100 ms (goal: at most 1.1)", results, baseline="hand-written Ray")
    faster = ratio(results["one process, plain Python"], results["a job"])
    print(f"  {faster:.2f} x faster than one process (goal: at least 1.7 on 2 idle cores)")
    bound = {
        "plain Python calls in one step": jobs.runner(calls()),
        "four steps in one stage": jobs.runner(array(apart=False)),
    }
    results = interleave(bound, repeats=ROUNDS, warmup=2)
    title = "256 MB array through four steps, in one process (goal: at most 1.05)"
    report(title, results, baseline="plain Python calls in one step")
    arrays = {
        "hand-written Ray": ray_array,
        "a job, four stages": jobs.runner(array(apart=True)),
    }
    results = interleave(arrays, repeats=ROUNDS, warmup=2)
    title = "the same across processes, writable (goal: at most 1.1)"
    report(title, results, baseline="hand-written Ray")
    reading = {
        "hand-written Ray": ray_readers,
        "a job, readonly": jobs.runner(readers()),
    }
    results = interleave(reading, repeats=ROUNDS, warmup=2)
    title = "256 MB array read by three processes, without a copy (goal: at most 1.1)"
    report(title, results, baseline="hand-written Ray")
    chains = {
        "one step": jobs.runner({"tasks": _tasks(), "graph": {"a": {"noop": []}}}),
        f"{STEPS} steps": jobs.runner(many()),
    }
    results = interleave(chains, repeats=15)
    report("overhead of a step inside a stage", results, baseline="one step")
    more = results[f"{STEPS} steps"].median - results["one step"].median
    print(f"  {more / (STEPS - 1) * 1e6:.0f} microseconds a step (goal: at most 100)")
    again = reactivation(folder)
    report("plugin sets", {again.name: again}, baseline=again.name)


if __name__ == "__main__":
    main()
