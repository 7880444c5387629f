"""A real local Ray with two CPUs, shared by all tests here, and jobs to run on it."""

import asyncio
import itertools
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import pytest_asyncio

from dioptra_ray.planning import PlanOptions, compile_plan
from dioptra_ray.planning.environments import read_environment
from dioptra_ray.planning.plan import Plan, PluginBundle
from dioptra_ray.plugins.bundle import pack
from dioptra_ray.store import ArtifactStore, bundle_key, open_store
from dioptra_workers.runner.cluster import Cluster
from dioptra_workers.runner.orders import JobEnded, JobOrder, SavedStage, StageWaits
from dioptra_workers.stage.events import Event, LogLine, MetricLogged, StepChanged
from dioptra_workers.stage.request import ArtifactInput, JobContext

Sources = Mapping[str, str]
"""Source of `tasks.py` by plugin name."""


@dataclass
class RunningJob:
    """A job on the cluster, and all that it said."""

    lease: tuple[int, int]
    plan: Plan
    events: list[Event | StageWaits] = field(default_factory=list)
    task: asyncio.Task[JobEnded] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def emit(self, events: Sequence[Event | StageWaits]) -> None:
        self.events.extend(events)
        self.changed.set()

    async def until(self, said: Callable[[Any], bool]) -> None:
        while not any(map(said, self.events)):
            assert self.task is not None
            assert not self.task.done(), self.task.result()
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 60)

    async def until_running(self, step: str) -> None:
        await self.until(
            lambda event: (
                isinstance(event, StepChanged) and (event.step, event.phase) == (step, "running")
            )
        )

    async def end(self) -> JobEnded:
        assert self.task is not None
        return await asyncio.wait_for(self.task, 60)

    @property
    def phases(self) -> list[tuple[str, str]]:
        return [(e.step, e.phase) for e in self.events if isinstance(e, StepChanged)]

    @property
    def logs(self) -> list[LogLine]:
        return [
            e for e in self.events if isinstance(e, LogLine) and e.logger != "dioptra_ray.engine"
        ]

    @property
    def metrics(self) -> list[MetricLogged]:
        return [e for e in self.events if isinstance(e, MetricLogged)]

    def metric(self, name: str) -> float:
        (value,) = [metric.value for metric in self.metrics if metric.name == name]
        return value


class Lab:
    """Compiles and runs jobs on the cluster."""

    def __init__(self, folder: Path, driver: Any, store: ArtifactStore) -> None:
        self.scratch = folder / "scratch"
        self.driver = driver
        self.store = store
        self._ids = itertools.count(1)

    def bundle(self, name: str, source: str) -> PluginBundle:
        packed = pack({"tasks.py": dedent(source).encode()})
        self.store.put_blob(bundle_key(packed.digest), packed.content)
        return PluginBundle(name=name, digest=packed.digest)

    def plan(
        self,
        description: Mapping[str, Any],
        sources: Sources,
        artifact_tasks: Mapping[str, str] | None = None,
        environment: Mapping[str, Any] | None = None,
    ) -> Plan:
        bundles = tuple(self.bundle(name, source) for name, source in sources.items())
        of_queue = read_environment(environment or {})
        options = PlanOptions(
            plugins=bundles,
            artifact_tasks=artifact_tasks or {},
            defaults=of_queue.defaults,
            environment=of_queue.stages,
        )
        return compile_plan(description, options)

    def start(
        self,
        description: Mapping[str, Any],
        sources: Sources,
        *,
        parameters: Mapping[str, Any] | None = None,
        artifact_tasks: Mapping[str, str] | None = None,
        artifact_inputs: tuple[ArtifactInput, ...] = (),
        timeout: float | None = None,
        saved_stages: tuple[SavedStage, ...] = (),
        environment: Mapping[str, Any] | None = None,
    ) -> RunningJob:
        plan = self.plan(description, sources, artifact_tasks, environment)
        context = JobContext(
            job_id=next(self._ids),
            attempt=1,
            parameters_json=json.dumps(parameters or {}).encode(),
            artifact_inputs=artifact_inputs,
            entrypoint="entry",
            experiment="tests",
        )
        order = JobOrder(
            job=context,
            plan=plan,
            plan_digest=plan.digest,
            timeout=timeout,
            saved_stages=saved_stages,
        )
        job = RunningJob(order.lease, plan)
        job.task = asyncio.create_task(self.driver.run(order, job.emit))
        return job

    async def run(self, *arguments: Any, **options: Any) -> tuple[JobEnded, RunningJob]:
        job = self.start(*arguments, **options)
        return await job.end(), job

    def left_behind(self) -> list[str]:
        """What is left of stages; a warm process cleans up right after its report."""
        until = time.monotonic() + 10
        while found := [path.name for path in (self.scratch / "stages").iterdir()]:
            if time.monotonic() > until:
                break
            time.sleep(0.01)
        return found


@pytest.fixture(scope="session")
def folder():
    path = Path(tempfile.mkdtemp(prefix="dioptra-workers-tests-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def cluster(folder):
    del folder  # outlives Ray
    cluster = Cluster("local", num_cpus=2)
    yield cluster
    cluster.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab(folder: Path, cluster: Cluster) -> AsyncIterator[Lab]:
    assert cluster.resources()["CPU"] == 2
    from dioptra_workers.runner.driver import Driver  # noqa: PLC0415 - imports Ray

    store = open_store(f"file://{folder}/store")
    store.check()
    driver = Driver(store_url=store.url, scratch_dir=str(folder / "scratch"), warm=2)
    driver.start()
    await driver.warm_up()
    yield Lab(folder, driver, store)
    await driver.stop()


def describe(
    graph: Mapping[str, Any], tasks: Mapping[str, tuple[Sequence[str], Any]], **sections: Any
) -> dict[str, Any]:
    """A description over plugin `p`: task name -> (input names, output names or None)."""
    described = {}
    for name, (inputs, output) in tasks.items():
        described[name] = {
            "plugin": f"p.tasks.{name}",
            "inputs": [{"name": item, "type": "any", "required": False} for item in inputs],
            **({"outputs": {output: "any"}} if output else {}),
        }
    return {"tasks": described, "graph": dict(graph), **sections}


@pytest.fixture(name="describe", scope="session")
def describe_fixture():
    return describe
