"""What real Dioptra plugins rely on holds: in one process, in two, and on two nodes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dioptra_ray.client.job import Job
from tests.integration.cluster.deployment import Deployment
from tests.integration.cluster.odd_patterns import DISTURBED, DISTURBING, ODD_KINDS, odd
from tests.integration.cluster.patterns import PATTERNS, Cut, Pattern, seeded

CUTS: tuple[Cut, ...] = ("bound", "cut", "two nodes")


def submit(cluster: Deployment, pattern: Pattern, cut: Cut) -> Job:
    plugins = pattern.sources()
    for name, files in plugins.items():
        cluster.client.plugins.put(files, name=name)
    source = yaml.safe_dump(pattern.description(cut), sort_keys=False)
    cluster.client.entrypoints.put(pattern.name, source, plugins=list(plugins))
    return cluster.client.jobs.submit(pattern.name)


def run(cluster: Deployment, pattern: Pattern, cut: Cut) -> Job:
    job = submit(cluster, pattern, cut).wait(120)
    assert job.status == "finished", (job.failure, cluster.logs())
    return job


def kept(cluster: Deployment, job: Job, folder: Path) -> dict[str, Any]:
    """What the artifacts of a job hold."""
    held = {}
    for name, artifact in job.artifacts.items():
        path = cluster.client.artifacts.download(artifact.id, folder / name)
        text = path.read_text()
        held[name] = json.loads(text) if path.suffix == ".json" else text
    return held


def check_where(cluster: Deployment, pattern: Pattern, cut: Cut, job: Job) -> None:
    """That it ran as it was meant to."""
    late = {job.steps[name].stage for name in pattern.late}
    early = {job.steps[name].stage for name in pattern.graph if name not in pattern.late}
    assert late.isdisjoint(early) == (cut != "bound")
    if cut == "bound":
        assert len(late | early) == 1
    if cut == "two nodes":
        nodes = {name: step.node for name, step in job.steps.items()}
        for name in set(pattern.graph).difference(pattern.anywhere):
            assert nodes[name] == cluster.address("cpu" if name in pattern.late else "gpu")


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_a_pattern_of_dioptra(
    cluster: Deployment, pattern: Pattern, cut: Cut, tmp_path: Path
) -> None:
    job = run(cluster, pattern, cut)
    check_where(cluster, pattern, cut, job)
    assert kept(cluster, job, tmp_path) == pattern.expected(cut)
    # What one job did is nothing to the next.
    again = run(cluster, pattern, cut)
    assert kept(cluster, again, tmp_path / "again") == pattern.expected(cut)


@pytest.mark.parametrize("cut", CUTS)
def test_a_seed_is_that_of_every_step_that_depends_on_it(
    cluster: Deployment, cut: Cut, tmp_path: Path
) -> None:
    pattern = seeded()
    job = run(cluster, pattern, cut)
    check_where(cluster, pattern, cut, job)
    assert kept(cluster, job, tmp_path) == pattern.expected(cut)


@pytest.mark.parametrize("task", ODD_KINDS)
def test_what_cannot_be_pickled_works_where_steps_are_bound(
    cluster: Deployment, task: str, tmp_path: Path
) -> None:
    pattern = odd(task, ODD_KINDS[task])
    job = run(cluster, pattern, "bound")
    assert kept(cluster, job, tmp_path) == pattern.expected("bound")


@pytest.mark.parametrize("task", ODD_KINDS)
def test_cut_apart_it_is_an_error_with_two_ways_out(cluster: Deployment, task: str) -> None:
    job = submit(cluster, odd(task, ODD_KINDS[task]), "cut").wait(120)
    failure = job.failure
    assert failure is not None
    assert (failure.reason, failure.step) == ("NOT_PICKLABLE", "value")
    for part in ('step "value"', ODD_KINDS[task], "run together", "picklable"):
        assert part in failure.message


def probe(graph: dict[str, Any], saved: dict[str, str]) -> Pattern:
    tasks = dict.fromkeys(("state", "chances", "disturb"), DISTURBED)
    return Pattern(
        name="disturb",
        plugins={"disturb": {"tasks.py": DISTURBING}},
        tasks=tasks,
        graph=graph,
        late=(),
        saved=saved,
    )


def test_what_a_step_does_to_its_process_is_not_had_by_the_next_job(
    cluster: Deployment, tmp_path: Path
) -> None:
    look = probe(
        {"state": {"state": []}, "chances": {"chances": []}}, {"s": "state", "c": "chances"}
    )
    bad = probe({"pid": {"disturb": []}}, {"pid": "pid"})
    # On the node with one CPU, which has one process for all of them; the first job imports
    # what the others find there.
    jobs = [submit_on_gpu(cluster, one) for one in (look, look, bad, look, look)]
    ended = [job.wait(120) for job in jobs]
    assert [job.status for job in ended] == ["finished"] * 5, [job.failure for job in ended]
    _, before, disturbed, *after = (kept(cluster, job, tmp_path / str(job.id)) for job in ended)
    assert disturbed["pid"] in {one["s"]["pid"] for one in after}
    for one in after:
        assert {**one["s"], "pid": 0} == {**before["s"], "pid": 0}
    chances = [tuple(one["c"]) for one in (before, *after)]
    assert len(set(chances)) == len(chances)


def submit_on_gpu(cluster: Deployment, pattern: Pattern) -> Job:
    for name, files in pattern.sources().items():
        cluster.client.plugins.put(files, name=name)
    description = pattern.description("bound")
    steps = {step: {"labels": {"kind": "gpu"}} for step in pattern.graph}
    # One stage: the artifacts are written where the steps were.
    description["execution"] = {"steps": steps}
    source = yaml.safe_dump(description, sort_keys=False)
    cluster.client.entrypoints.put(pattern.name, source, plugins=list(pattern.sources()))
    return cluster.client.jobs.submit(pattern.name)
