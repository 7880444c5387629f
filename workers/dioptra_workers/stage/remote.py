"""The thin skin that puts plain functions on Ray."""

import functools
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import ray
from ray.util import get_node_ip_address

from dioptra_workers.stage import capture, interpreter, warm
from dioptra_workers.stage.events import Event
from dioptra_workers.stage.interrupt import Kind
from dioptra_workers.stage.isolation import run_isolated
from dioptra_workers.stage.leaving import leave_if_spoiled, leave_soon
from dioptra_workers.stage.live import Push
from dioptra_workers.stage.postmortem import LastWords, last_words
from dioptra_workers.stage.request import Batch, Places, StageReport, StageRequest
from dioptra_workers.stage.run import Node, run_stage, store_of
from dioptra_workers.stage.saved import Reused, Saved, load_stage, save_stage
from dioptra_workers.stage.sweeping import sweep_once

PUSH_TIMEOUT = 5.0


@ray.remote(max_retries=0)  # type: ignore[untyped-decorator]
def stage_task(request: StageRequest, *arguments: Any) -> Any:
    """Run a stage; one Ray object for each of its returns."""
    leave_if_spoiled()
    sweep_once(request.places.scratch_dir)
    run = run_isolated if request.isolated else run_stage
    report, *made = run(request, *arguments, node=_node_of(request), push=_pusher(request))
    if report.retire and not request.isolated:
        leave_soon()
    report = replace(report, node_id=_node().id)
    return (report, *made) if made else report


@ray.remote(max_restarts=0)
class WarmProcess:
    """A process that runs one stage after another, told by the runner over a socket."""

    def serve(self, path: str, key: str, places: Places) -> None:
        """Do so until the runner hangs up."""
        sweep_once(places.scratch_dir)
        _node()
        if warm.serve(path, key, lambda order, later: _run(order.request(places), later)):
            # At once and whatever a step has left: handlers, threads, a spoiled interpreter.
            os._exit(0)


def _run(request: StageRequest, later: warm.Later) -> StageReport:
    node, push = _node(), _pusher(request)
    if request.isolated:
        (report,) = run_isolated(request, node=node, push=push)
        # The process that the stage had is gone, whatever it was.
        report = replace(report, retire=False)
    else:
        (report,) = run_stage(request, node=node, push=push, later=later)
    return cast(StageReport, report)


@ray.remote(max_retries=3, num_cpus=0)  # type: ignore[untyped-decorator]
def last_words_task(scratch_dir: str, directory: str, first: int) -> LastWords | None:
    """Look on this node for what a dead stage said."""
    return last_words(scratch_dir, directory, first)


@ray.remote(max_retries=0, num_cpus=0)  # type: ignore[untyped-decorator]
def save_task(
    places: Places, folder: str, plan_digest: str, exports: tuple[str, ...], limit: int, *given: Any
) -> Saved:
    """Keep a stage: the outputs of its exported steps, then its delta if that is given."""
    leave_if_spoiled()
    return save_stage(
        store_of(places.store_url),
        folder,
        plan_digest,
        exports=dict(zip(exports, given, strict=False)),
        delta=given[-1] if len(given) > len(exports) else None,
        limit=limit,
    )


@ray.remote(max_retries=3, num_cpus=0)  # type: ignore[untyped-decorator]
def load_task(request: StageRequest, reused: Reused) -> Any:
    """Bring a stage back; one Ray object for each of its returns."""
    leave_if_spoiled()
    node_id = ray.get_runtime_context().get_node_id()
    results = load_stage(store_of(request.places.store_url), request, reused, node_id)
    return results[0] if len(results) == 1 else results


@ray.remote(max_retries=0, num_cpus=0)  # type: ignore[untyped-decorator]
def warm_task() -> int:
    """Have a worker process with everything imported that a stage needs.

    It asks for no CPU, because warm processes of the pool may hold all of them.
    """
    _node()
    return len(sys.modules)


@functools.cache
def _node() -> Node:
    """Prepare this process, once, and say where it is."""
    _forget_places_of_the_driver()
    capture.install()
    interpreter.prepare()
    return Node(id=ray.get_runtime_context().get_node_id(), address=get_node_ip_address())


def _node_of(request: StageRequest) -> Node:
    """Where a stage runs, and the GPUs that Ray has given it."""
    if not request.stage.resources.num_gpus:
        return _node()
    given = ray.get_runtime_context().get_accelerator_ids().get("GPU", ())
    return replace(_node(), gpus=tuple(map(str, given)))


def _forget_places_of_the_driver() -> None:
    """Take off the path what Ray has put there: the runner's directory, and our package's."""
    package = str(Path(__file__).parent.parent)
    sys.path[:] = [path for path in sys.path if path not in {"", "/", package}]


@functools.lru_cache(maxsize=4)
def _sink(name: str, namespace: str) -> Any:
    return ray.get_actor(name, namespace=namespace)


def _pusher(request: StageRequest) -> Push | None:
    places = request.places
    if not places.sink:
        return None

    def push(first: int, events: tuple[Event, ...]) -> Kind | None:
        batch = Batch(
            job_id=request.job.job_id,
            attempt=request.job.attempt,
            stage=request.stage.name,
            round=request.round,
            node_id=_node().id,
            first_event=first,
            events=events,
        )
        answer = _sink(places.sink, places.namespace).push.remote(batch)
        kind: Kind | None = ray.get(answer, timeout=PUSH_TIMEOUT)
        return kind

    return push
