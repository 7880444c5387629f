"""A three-step trivial job on a warm deployment, submit to result, next to hand-written Ray.

Ours goes through gRPC, is durable before it runs, and comes back as a finished job with its
steps; the baseline is the same three functions as three chained Ray tasks of a bare driver.
"""

import tempfile
from pathlib import Path

import ray

from dioptra_ray import embedded
from dioptra_ray.client import Client
from tests.bench.measure import interleave, report

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

                def job() -> None:
                    done = client.jobs.submit("trivial", parameters={"x": 4}).wait()
                    if done.status != "finished":
                        raise RuntimeError(done.failure)

                def chain() -> None:
                    if ray.get(three.remote(two.remote(one.remote(4)))) != 7:
                        raise RuntimeError

                results = interleave({"three Ray tasks": chain, "one job": job}, repeats=60)
        finally:
            ray.shutdown()
            embedded.down(state_dir=state)
    report("three-step trivial job, warm, submit to result", results, baseline="three Ray tasks")


if __name__ == "__main__":
    main()
