"""Sweeps over the real calls: lazily made trials, fair assignment, counts, results."""

import math

import sqlalchemy as sa

from dioptra_controller.database.job_tables import JOBS, SWEEPS
from dioptra_ray.api.controller.v1 import job_pb2
from dioptra_ray.api.controller.v1 import job_service_pb2 as job_pb
from dioptra_ray.api.controller.v1 import sweep_service_pb2 as sweep_pb
from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.errors import (
    InvalidDescriptionError,
    InvalidRequestError,
    NotFoundError,
    OutOfRangeError,
    PreconditionError,
)
from dioptra_ray.wire.values import TextValue, read_mapping, write_mapping
from tests.integration.jobs.deployment import Deployment, FakeRunner, now, refused

GRID = {"attack": ["fgsm", "pgd"], "eps": [0, TextValue("0.5")]}


async def watch(deployment: Deployment, sweep_id: int, after: int = 0) -> list[int]:
    """The trials that ended after a sequence, in the order of their end."""
    request = sweep_pb.WatchSweepRequest(id=sweep_id, after_end_sequence=after)
    return [t.trial async for news in deployment.sweeps.WatchSweep(request) for t in news.ended]


async def results(
    deployment: Deployment, sweep_id: int, **fields: int
) -> list[sweep_pb.TrialResult]:
    found: list[sweep_pb.TrialResult] = []
    token = ""
    while True:
        request = sweep_pb.ListSweepResultsRequest(id=sweep_id, page_token=token, **fields)
        page = await deployment.sweeps.ListSweepResults(request)
        found += page.results
        token = page.next_page_token
        if not token:
            return found


async def test_a_sweep_runs_trial_by_trial_to_its_results(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_sweep(GRID)
    assert (created.size, created.queued) == (4, 4)
    assert list(created.dimensions) == ["attack", "eps"]
    seen = []
    for index in range(4):
        assigned = await runner.assignment()
        seen.append(assigned.parameters_json)
        job = await deployment.get_job(assigned.lease.job_id)
        assert (job.sweep_id, job.trial) == (created.id, index)
        sweep = await deployment.get_sweep(created.id)
        assert (sweep.started, sweep.queued) == (1, 3 - index)
        if index == 2:
            await runner.fail(assigned.lease)
            continue
        values = [
            pb.MetricValue(name="acc", step=at, value=value, time=now())
            for at, value in ((3, math.nan if index else 0.75), (1, 0.1))
        ]
        await runner.report(assigned.lease, metrics_logged=pb.MetricsLogged(values=values))
        await runner.finish(assigned.lease, artifacts=("scores",))
    assert seen[1] == b'{"layers": [1, 2], "attack": "fgsm", "eps": 0.5}'
    ended = await deployment.get_sweep(created.id)
    assert ended.state == sweep_pb.SWEEP_STATE_FINISHED
    assert (ended.finished, ended.failed, ended.cancelled, ended.queued) == (3, 1, 0, 0)
    assert ended.HasField("end_time")
    rows = await results(deployment, created.id, page_size=3)
    assert [row.trial for row in rows] == [0, 1, 2, 3]
    assert [read_mapping(row.parameters) for row in rows] == [
        {"attack": "fgsm", "eps": 0},
        {"attack": "fgsm", "eps": 0.5},
        {"attack": "pgd", "eps": 0},
        {"attack": "pgd", "eps": 0.5},
    ]
    assert rows[0].metrics["acc"] == 0.75
    assert math.isnan(rows[1].metrics["acc"])
    assert rows[2].error == "data: ValueError: no data"
    assert [len(row.artifacts) for row in rows] == [1, 1, 0, 1]


async def test_a_huge_sweep_is_one_row_and_makes_trials_only_for_free_slots(
    deployment: Deployment,
) -> None:
    grid = {"attack": [f"a{i}" for i in range(100)], "eps": [i / 1000 for i in range(1000)]}
    created = await deployment.create_sweep(grid)
    assert created.size == 100_000

    def count(connection: sa.Connection) -> tuple[int, int]:
        rows = [sa.select(sa.func.count()).select_from(table) for table in (SWEEPS, JOBS)]
        sweeps, jobs = (connection.execute(row).scalar_one() for row in rows)
        return sweeps, jobs

    assert await deployment.database.read(count) == (1, 0)
    async with deployment.runner(slots=7) as runner:
        first = [await runner.assignment() for _ in range(7)]
        assert await deployment.database.read(count) == (1, 7)
        await runner.finish(first[0].lease)
        await runner.assignment()
        assert await deployment.database.read(count) == (1, 8)
    rows = await results_page(deployment, created.id)
    assert len(rows) == 10
    assert rows[9].state == job_pb2.JOB_STATE_UNSPECIFIED
    assert read_mapping(rows[9].parameters) == {"attack": "a0", "eps": 0.009}


async def results_page(deployment: Deployment, sweep_id: int) -> list[sweep_pb.TrialResult]:
    request = sweep_pb.ListSweepResultsRequest(id=sweep_id, page_size=10)
    return list((await deployment.sweeps.ListSweepResults(request)).results)


async def test_an_interactive_job_does_not_wait_behind_a_sweep(
    deployment: Deployment, runner: FakeRunner
) -> None:
    await deployment.create_sweep({"eps": [0.1] * 1000}, parameters=write_mapping({"attack": "a"}))
    running = (await runner.assignment()).lease
    single = await deployment.create_job()
    await runner.finish(running)
    assert (await runner.assignment()).lease.job_id == single.id


async def test_two_sweeps_share_the_slots(deployment: Deployment) -> None:
    fixed = write_mapping({"attack": "a"})
    first = await deployment.create_sweep({"eps": [0.1] * 100}, parameters=fixed)
    second = await deployment.create_sweep({"eps": [0.1] * 100}, parameters=fixed)
    async with deployment.runner(slots=6) as runner:
        for _ in range(6):
            await runner.assignment()
        assert (await deployment.get_sweep(first.id)).started == 3
        assert (await deployment.get_sweep(second.id)).started == 3


async def test_a_lost_trial_runs_again_and_is_counted_once(deployment: Deployment) -> None:
    created = await deployment.create_sweep({"attack": ["a", "b"]})
    async with deployment.runner() as runner:
        await runner.assignment()
    await deployment.turn_clock(31)
    sweep = await deployment.get_sweep(created.id)
    assert (sweep.queued, sweep.started) == (2, 0)
    async with deployment.runner() as runner:
        again = await runner.assignment()
        assert again.lease.attempt == 2
        await runner.finish(again.lease)
        await runner.finish((await runner.assignment()).lease)
    ended = await deployment.get_sweep(created.id)
    assert (ended.state, ended.finished) == (sweep_pb.SWEEP_STATE_FINISHED, 2)


async def test_watching_a_sweep_tells_each_ended_trial_once(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_sweep({"attack": ["a", "b", "c"]})
    call = deployment.sweeps.WatchSweep(sweep_pb.WatchSweepRequest(id=created.id))
    first = await call.read()
    assert (first.sweep.size, first.end_sequence, len(first.ended)) == (3, 0, 0)
    await runner.fail((await runner.assignment()).lease)
    told = []
    while not told:
        news = await call.read()
        told += news.ended
    assert (told[0].trial, told[0].state) == (0, job_pb2.JOB_STATE_FAILED)
    assert news.end_sequence == 1
    call.cancel()
    for _ in range(2):
        await runner.finish((await runner.assignment()).lease)
    assert await watch(deployment, created.id, after=1) == [1, 2]
    assert await watch(deployment, created.id, after=3) == []
    beyond = watch(deployment, created.id, after=4)
    assert isinstance(await refused(beyond), OutOfRangeError)


async def test_a_cancelled_sweep_stops_what_runs_and_makes_no_more(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_sweep({"attack": ["a", "b", "c", "d"]})
    await runner.finish((await runner.assignment()).lease)
    lease = (await runner.assignment()).lease
    request = sweep_pb.CancelSweepRequest(id=created.id)
    for _ in range(2):
        stopping = (await deployment.sweeps.CancelSweep(request)).sweep
        assert stopping.state == sweep_pb.SWEEP_STATE_STARTED
        assert (stopping.cancelled, stopping.started, stopping.queued) == (2, 1, 0)
    assert (await runner.expect("cancellation")).lease == lease
    await runner.report(lease, attempt_ended=pb.AttemptEnded(outcome=pb.ATTEMPT_OUTCOME_CANCELLED))
    ended = (await deployment.sweeps.CancelSweep(request)).sweep
    assert ended.state == sweep_pb.SWEEP_STATE_CANCELLED
    assert (ended.finished, ended.cancelled) == (1, 3)
    rows = await results(deployment, created.id)
    assert [row.state for row in rows] == [job_pb2.JOB_STATE_FINISHED] + [
        job_pb2.JOB_STATE_CANCELLED
    ] * 3
    assert await watch(deployment, created.id) == [0, 1]


async def test_a_sweep_without_any_started_trial_is_cancelled_at_once(
    deployment: Deployment,
) -> None:
    created = await deployment.create_sweep({"attack": ["a"]}, queue="gpu")
    request = sweep_pb.CancelSweepRequest(id=created.id)
    cancelled = (await deployment.sweeps.CancelSweep(request)).sweep
    assert cancelled.state == sweep_pb.SWEEP_STATE_CANCELLED
    assert cancelled.HasField("end_time")


async def test_a_finished_sweep_cannot_be_cancelled(
    deployment: Deployment, runner: FakeRunner
) -> None:
    created = await deployment.create_sweep({"attack": ["a"]})
    await runner.finish((await runner.assignment()).lease)
    request = sweep_pb.CancelSweepRequest(id=created.id)
    assert isinstance(await refused(deployment.sweeps.CancelSweep(request)), PreconditionError)
    assert isinstance(await refused(deployment.get_sweep(99)), NotFoundError)


async def test_everything_wrong_with_a_sweep_is_said_at_once(deployment: Deployment) -> None:
    error = await refused(
        deployment.create_sweep(
            {"eps": [0.1, "much", TextValue("x")], "speed": [1], "layers": []},
            parameters=write_mapping({"eps": 1.0}),
        )
    )
    assert isinstance(error, InvalidDescriptionError)
    assert sorted(issue.code for issue in error.issues) == [
        "job.parameter.missing",
        "job.parameter.twice",
        "job.parameter.unknown",
        "sweep.dimension.empty",
        "sweep.value",
        "sweep.value",
    ]
    too_large = {"eps": [0.1] * 4000, "attack": ["a"] * 4000}
    error = await refused(deployment.create_sweep(too_large))
    assert isinstance(error, InvalidDescriptionError)
    assert [issue.code for issue in error.issues] == ["sweep.too_large"]
    request = sweep_pb.CreateSweepRequest(entrypoint="attack")
    error = await refused(deployment.sweeps.CreateSweep(request))
    assert isinstance(error, InvalidRequestError)


async def test_points_are_run_as_given(deployment: Deployment, runner: FakeRunner) -> None:
    points = [{"attack": "a", "eps": 0.1}, {"attack": "b", "eps": 0.2}]
    listed = sweep_pb.PointList(
        points=[sweep_pb.Point(parameters=write_mapping(point)) for point in points]
    )
    request = sweep_pb.CreateSweepRequest(entrypoint="attack", points=listed, request_id="one")
    created = (await deployment.sweeps.CreateSweep(request)).sweep
    assert (await deployment.sweeps.CreateSweep(request)).sweep.id == created.id
    for _ in points:
        await runner.finish((await runner.assignment()).lease)
    rows = await results(deployment, created.id)
    assert [read_mapping(row.parameters) for row in rows] == points
    listed.points[1].parameters.pop("eps")
    request = sweep_pb.CreateSweepRequest(entrypoint="attack", points=listed)
    error = await refused(deployment.sweeps.CreateSweep(request))
    assert isinstance(error, InvalidDescriptionError)
    assert [issue.code for issue in error.issues] == ["sweep.point.incomplete"]


async def test_sweeps_and_their_trials_are_listed(
    deployment: Deployment, runner: FakeRunner
) -> None:
    ids = [(await deployment.create_sweep({"attack": ["a"]})).id for _ in range(3)]
    page = await deployment.sweeps.ListSweeps(sweep_pb.ListSweepsRequest(page_size=2))
    assert [sweep.id for sweep in page.sweeps] == ids[:0:-1]
    rest = sweep_pb.ListSweepsRequest(page_size=2, page_token=page.next_page_token)
    assert [s.id for s in (await deployment.sweeps.ListSweeps(rest)).sweeps] == ids[:1]
    await runner.assignment()
    trials = await deployment.jobs.ListJobs(job_pb.ListJobsRequest(sweep_id=ids[0]))
    assert [job.trial for job in trials.jobs] == [0]
