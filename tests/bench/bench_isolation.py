"""What a fresh process for every stage costs, with torch imported by the plugin.

Both contestants are whole jobs on the runner's driver (without the controller, which is the
same for both): one step in a shared process, and in a process of its own.
"""

import asyncio
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from dioptra_ray.planning import PlanOptions, compile_plan
from dioptra_ray.planning.plan import PluginBundle
from dioptra_ray.plugins.bundle import pack
from dioptra_ray.store import bundle_key, open_store
from dioptra_workers.runner.cluster import Cluster, prepare_environment
from tests.bench.measure import Measurement, report

GOAL_MS = 30.0
REPEATS = 40
SOURCE = b"""
import torch
from dioptra import pyplugs

@pyplugs.register
def step():
    return float(torch.ones(8).sum())
"""
DESCRIPTION: dict[str, Any] = {
    "tasks": {"step": {"plugin": "heavy.tasks.step", "outputs": {"value": "number"}}},
    "graph": {"a": {"step": {}}},
}


async def _measure(folder: Path) -> dict[str, Measurement]:
    from dioptra_workers.runner.driver import Driver  # noqa: PLC0415 - imports Ray
    from dioptra_workers.runner.orders import JobOrder  # noqa: PLC0415 - as above
    from dioptra_workers.stage.request import JobContext  # noqa: PLC0415 - as above

    store = open_store(f"file://{folder}/store")
    store.check()
    bundle = pack({"tasks.py": SOURCE})
    store.put_blob(bundle_key(bundle.digest), bundle.content)
    options = PlanOptions(plugins=(PluginBundle(name="heavy", digest=bundle.digest),))
    isolated = {**DESCRIPTION, "execution": {"isolation": "process"}}
    plans = {
        "shared process": compile_plan(DESCRIPTION, options),
        "fresh process": compile_plan(isolated, options),
    }
    driver = Driver(store_url=store.url, scratch_dir=str(folder / "scratch"), warm=2)
    driver.start()
    await driver.warm_up()
    ids = itertools.count(1)
    seconds: dict[str, list[float]] = {name: [] for name in plans}
    for repeat in range(REPEATS + 6):  # the first ones import torch
        for name, plan in plans.items():
            job = JobContext(job_id=next(ids), attempt=1, parameters_json=json.dumps({}).encode())
            order = JobOrder(job=job, plan=plan, plan_digest=plan.digest)
            begun = time.perf_counter()
            ended = await driver.run(order, lambda _: None)
            if ended.outcome != "finished":
                raise RuntimeError(ended.failure)
            if repeat >= 6:
                seconds[name].append(time.perf_counter() - begun)
    await driver.stop()
    return {name: Measurement(name=name, seconds=tuple(one)) for name, one in seconds.items()}


def main() -> None:
    """Measure and print."""
    prepare_environment("local")
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster("local", num_cpus=2)
        try:
            results = asyncio.run(_measure(Path(folder)))
        finally:
            cluster.close()
    report("one stage, torch imported", results, baseline="shared process")
    more = results["fresh process"].median - results["shared process"].median
    print(f"  a fresh process costs {more * 1e3:.1f} ms more (goal: at most {GOAL_MS:g} ms)")


if __name__ == "__main__":
    main()
