"""Swaps over the real calls: what a job must choose, what it then runs, sweeps over choices."""

import json
from typing import Any

import pytest_asyncio

from dioptra_controller.jobs.outline import load_plan
from dioptra_controller.registry import entrypoints
from dioptra_controller.sweeps.spaces import Spaces
from dioptra_ray.api.controller.v1 import job_service_pb2 as job_pb
from dioptra_ray.api.controller.v1 import sweep_service_pb2 as sweep_pb
from dioptra_ray.errors import InvalidDescriptionError, InvalidRequestError
from dioptra_ray.planning.declarations import Declaration
from dioptra_ray.wire.values import TextValue, read_mapping, write_mapping
from tests.integration.jobs.deployment import Deployment, FakeRunner, refused

_HIT = {"inputs": [{"data": "any"}, {"eps": "number"}], "outputs": {"score": "number"}}
SWAPPED: dict[str, Any] = {
    "parameters": {"eps": {"type": "number", "default": 0.5}},
    "tasks": {
        "load": {"plugin": "lab.data.load", "outputs": {"data": "any"}},
        "clean": {
            "plugin": "lab.data.clean",
            "inputs": [{"data": "any"}],
            "outputs": {"data": "any"},
        },
        "fgsm": {"plugin": "lab.attacks.fgsm", **_HIT},
        "pgd": {"plugin": "lab.attacks.pgd", **_HIT},
        "measure": {"plugin": "lab.data.measure", "inputs": [{"hit": "number"}]},
    },
    "graph": {
        "data": {"load": []},
        "defense": {"?defense": {"on": {"clean": ["$data"]}, "copied": {"clean": ["$data"]}}},
        "hit": {
            "?attack": {
                "?outputs": ["hurt"],
                "fgsm": {"fgsm": ["$defense", "$eps"]},
                "pgd": {"pgd": ["$defense", "$eps"]},
            },
            "dependencies": ["data"],
        },
        "seen": {"measure": ["$hit.hurt"]},
    },
}
CHOICES = {"attack": "pgd", "defense": "on"}


@pytest_asyncio.fixture(autouse=True)
async def swapped(deployment: Deployment) -> None:
    content = entrypoints.EntrypointContent(
        name="swapped",
        description=SWAPPED,
        parameter_kinds={"eps": "float"},
        declarations={"pgd": Declaration(num_cpus=3)},
    )
    await deployment.database.write(entrypoints.put, content, [])


def codes(error: Exception) -> list[tuple[str, str]]:
    assert isinstance(error, InvalidDescriptionError)
    return sorted((issue.code, issue.path) for issue in error.issues)


async def test_a_job_runs_the_alternatives_that_it_chose(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_job("swapped", swaps=CHOICES)
    assert dict(created.swaps) == CHOICES
    tasks = [step.task for step in created.steps]
    assert tasks == ["load", "clean", "pgd (hit)", "measure"]
    assigned = await runner.assignment()
    plan = json.loads(await deployment.database.read(load_plan, assigned.plan_digest))
    graph = plan["description"]["graph"]
    assert graph["defense"] == {"clean": ["$data"]}
    assert "?attack" not in graph["hit"]
    cpus = {tuple(stage["steps"]): stage["resources"]["num_cpus"] for stage in plan["stages"]}
    assert max(cpus.values()) == 3, "what pgd asks for holds for its renamed copy too"
    await runner.finish(assigned.lease)
    again = await deployment.jobs.RetryJob(job_pb.RetryJobRequest(id=created.id))
    assert dict(again.job.swaps) == CHOICES
    assert again.job.plan_digest == created.plan_digest
    listed = await deployment.jobs.ListJobs(job_pb.ListJobsRequest())
    assert [dict(job.swaps) for job in listed.jobs] == [CHOICES, CHOICES]


async def test_each_choice_has_its_own_plan(deployment: Deployment) -> None:
    made = [
        await deployment.create_job("swapped", swaps={**CHOICES, "attack": alias})
        for alias in ("fgsm", "pgd", "fgsm")
    ]
    digests = [job.plan_digest for job in made]
    assert digests[0] == digests[2] != digests[1]


async def test_everything_wrong_with_choices_is_said_with_the_rest(deployment: Deployment) -> None:
    error = await refused(
        deployment.create_job(
            "swapped",
            parameters={"eps": "much", "speed": 1},
            swaps={"attack": "fgms", "atack": "pgd"},
        )
    )
    assert codes(error) == [
        ("job.parameter.unknown", "$.parameters.speed"),
        ("job.parameter.value", "$.parameters.eps"),
        ("swap.missing_choice", "$.swaps.defense"),
        ("swap.unknown_choice", "$.swaps.attack"),
        ("swap.unused_choice", "$.swaps.atack"),
    ]
    assert isinstance(error, InvalidDescriptionError)
    said = {issue.code: issue.message for issue in error.issues}
    assert "on, copied" in said["swap.missing_choice"]
    assert "Did you mean 'fgsm'?" in said["swap.unknown_choice"]
    assert "Did you mean 'attack'?" in said["swap.unused_choice"]


async def test_an_entrypoint_without_swaps_takes_no_choices(deployment: Deployment) -> None:
    error = await refused(
        deployment.create_job(parameters={"attack": "a"}, swaps={"attack": "pgd"})
    )
    assert codes(error) == [("swap.unused_choice", "$.swaps.attack")]


async def test_a_sweep_runs_over_alternatives(deployment: Deployment, runner: FakeRunner) -> None:
    grid: dict[str, list[Any]] = {"?attack": [TextValue("fgsm"), "pgd"], "eps": [0.1, 0.2]}
    created = await deployment.create_sweep(grid, entrypoint="swapped", swaps={"defense": "on"})
    assert created.size == 4
    assert list(created.dimensions) == ["?attack", "eps"]
    assert dict(created.swaps) == {"defense": "on"}
    digests = []
    for index in range(4):
        assigned = await runner.assignment()
        job = await deployment.get_job(assigned.lease.job_id)
        attack = "fgsm" if index < 2 else "pgd"
        assert dict(job.swaps) == {"attack": attack, "defense": "on"}
        assert json.loads(assigned.parameters_json) == {"eps": [0.1, 0.2][index % 2]}
        assert f"{attack} (hit)" in [step.task for step in job.steps]
        assert job.plan_digest == assigned.plan_digest
        digests.append(assigned.plan_digest)
        await runner.finish(assigned.lease)
    assert digests[0] == digests[1] != digests[2] == digests[3]
    request = sweep_pb.ListSweepResultsRequest(id=created.id)
    rows = (await deployment.sweeps.ListSweepResults(request)).results
    assert [read_mapping(row.parameters) for row in rows] == [
        {"?attack": "fgsm", "eps": 0.1},
        {"?attack": "fgsm", "eps": 0.2},
        {"?attack": "pgd", "eps": 0.1},
        {"?attack": "pgd", "eps": 0.2},
    ]


async def test_points_choose_too(deployment: Deployment, runner: FakeRunner) -> None:
    points = [
        {"?attack": "pgd", "?defense": "on", "eps": 1},
        {"?attack": "fgsm", "?defense": "copied", "eps": 2},
    ]
    request = sweep_pb.CreateSweepRequest(
        entrypoint="swapped",
        points=sweep_pb.PointList(
            points=[sweep_pb.Point(parameters=write_mapping(point)) for point in points]
        ),
    )
    await deployment.sweeps.CreateSweep(request)
    for point in points:
        assigned = await runner.assignment()
        job = await deployment.get_job(assigned.lease.job_id)
        assert dict(job.swaps) == {"attack": point["?attack"], "defense": point["?defense"]}
        await runner.finish(assigned.lease)


async def test_trials_find_their_plans_after_a_restart(
    deployment: Deployment, runner: FakeRunner
) -> None:
    grid = {"?attack": ["fgsm", "pgd"], "?defense": ["on", "copied"]}
    await deployment.create_sweep(grid, entrypoint="swapped")
    first = await runner.assignment()
    deployment.hub.spaces = Spaces()  # what only a process remembers
    await runner.finish(first.lease)
    digests = {first.plan_digest}
    for _ in range(3):
        assigned = await runner.assignment()
        digests.add(assigned.plan_digest)
        await runner.finish(assigned.lease)
    # "on" and "copied" call the same task with the same arguments.
    assert len(digests) == 2


async def test_everything_wrong_with_a_sweep_over_alternatives_is_said_at_once(
    deployment: Deployment,
) -> None:
    grid: dict[str, list[Any]] = {"?attack": ["fgsm", "pdg", 3], "?attak": ["pgd"], "eps": ["x"]}
    error = await refused(
        deployment.create_sweep(grid, entrypoint="swapped", swaps={"attack": "pgd"})
    )
    assert codes(error) == [
        ("swap.missing_choice", "$.swaps.defense"),
        ("swap.twice", "$.swaps.attack"),
        ("swap.unknown_choice", "$.swaps.attack"),
        ("swap.unknown_choice", "$.swaps.attack"),
        ("swap.unused_choice", "$.swaps.attak"),
        ("sweep.value", "$.parameters.eps"),
    ]


def _wide(swaps: int, pgd: str = "pgd") -> dict[str, Any]:
    step = {"fgsm": {"fgsm": [1, "$eps"]}, "pgd": {pgd: [1, "$eps"]}}
    return {**SWAPPED, "graph": {f"s{i}": {f"?w{i}": step} for i in range(swaps)}}


async def _register(deployment: Deployment, content: entrypoints.EntrypointContent) -> None:
    await deployment.database.write(entrypoints.put, content, [])


async def test_a_sweep_over_too_many_combinations_is_refused(deployment: Deployment) -> None:
    await _register(deployment, entrypoints.EntrypointContent(name="wide", description=_wide(10)))
    every = {f"?w{i}": ["fgsm", "pgd"] for i in range(10)}
    error = await refused(deployment.create_sweep(every, entrypoint="wide"))
    assert codes(error) == [("sweep.too_many_variants", "$.space")]
    assert "1024 combinations" in str(error)
    most = {**every, "?w9": ["pgd", "pgd"]}
    created = await deployment.create_sweep(most, entrypoint="wide")
    assert created.size == 1024, "what is said twice is one combination"


async def test_alternatives_that_cannot_be_planned_are_named(deployment: Deployment) -> None:
    content = entrypoints.EntrypointContent(
        name="torn",
        description=_wide(2),
        declarations={
            "fgsm": Declaration(labels=(("zone", "a"),), parallel=False),
            "pgd": Declaration(labels=(("zone", "b"),), parallel=False),
        },
    )
    await _register(deployment, content)
    alike = {"w0": "pgd", "w1": "pgd"}
    assert (await deployment.create_job("torn", swaps=alike)).id
    error = await refused(deployment.create_job("torn", swaps={"w0": "fgsm", "w1": "pgd"}))
    assert isinstance(error, InvalidRequestError)
    grid = {"?w0": ["fgsm", "pgd"]}
    error = await refused(deployment.create_sweep(grid, entrypoint="torn", swaps={"w1": "pgd"}))
    assert codes(error) == [("sweep.variant", "$.space")]
    assert "with w0=fgsm:" in str(error)


async def test_a_stored_entrypoint_that_is_wrong_is_refused_with_every_problem(
    deployment: Deployment,
) -> None:
    graph = {
        "data": {"load": []},
        "other": {"wash": ["$data"]},
        "short": {"clean": []},
        "typed": {"fgsm": ["$data", "much"]},
        "lost": {"clean": ["$nothing"]},
        "self": {"clean": ["$self"]},
    }
    wrong = entrypoints.EntrypointContent(name="wrong", description={**SWAPPED, "graph": graph})
    await _register(deployment, wrong)
    error = await refused(deployment.create_job("wrong"))
    assert [code for code, _ in codes(error)] == [
        "arg.positional_mismatch",
        "call.missing_required",
        "ref.unresolvable@step",
        "step.cycle",
        "step.unknown_task",
    ]
