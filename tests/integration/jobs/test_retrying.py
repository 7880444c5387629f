"""Retries from where a job failed, as the controller sees them."""

import datetime as dt

import pytest
import pytest_asyncio

from dioptra_controller.database.job_tables import JOBS
from dioptra_controller.jobs.retention import Retention
from dioptra_controller.registry import entrypoints
from dioptra_ray.api.controller.v1 import job_pb2
from dioptra_ray.api.controller.v1 import job_service_pb2 as job_pb
from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_ray.errors import NotFoundError, PreconditionError
from dioptra_ray.store.saved_stages import (
    SavedBlob,
    SavedOutputs,
    list_saved,
    saved_stage_folder,
    write_index,
)
from tests.integration.jobs.deployment import Deployment, FakeRunner, now, refused, step

PARTS = {
    "tasks": {
        "load": {"plugin": "lab.data.load", "outputs": {"data": "any"}},
        "hit": {"plugin": "lab.data.hit", "inputs": [{"data": "any"}], "outputs": {"o": "any"}},
    },
    "graph": {"data": {"load": []}, "other": {"load": []}, "hit": {"hit": "$data"}},
    "execution": {
        "steps": {
            "data": {"num_cpus": 2},
            "other": {"num_gpus": 1},
            "hit": {"labels": {"zone": "a"}},
        }
    },
}


@pytest_asyncio.fixture
async def parts(deployment: Deployment) -> Deployment:
    content = entrypoints.EntrypointContent(name="parts", description=PARTS)
    await deployment.database.write(entrypoints.put, content, [])
    return deployment


def keep(deployment: Deployment, job: job_pb2.Job, step_name: str) -> pb.SavedStage:
    """Store something as the outputs of the stage of a step."""
    (stage,) = [one.stage for one in job.steps if one.name == step_name]
    job_id, key = job.id, saved_stage_folder(job.id, 1, stage)
    deployment.store.put_blob(f"{key}/outputs", b"outputs")
    blob = SavedBlob(key=f"{key}/outputs", size=7, digest="sha256:" + "c" * 64)
    outputs = SavedOutputs(plan_digest=job.plan_digest, exports={step_name: blob}, delta=blob)
    write_index(deployment.store, key, outputs)
    return pb.SavedStage(stage=stage, job_id=job_id, key=key)


async def failed_job(deployment: Deployment, runner: FakeRunner) -> tuple[int, pb.SavedStage]:
    """A job that failed in `hit` after `data` had finished, which is kept."""
    job = await deployment.create_job("parts")
    lease = (await runner.assignment()).lease
    await runner.report(lease, steps_changed=pb.StepsChanged(changes=[step("data", "FINISHED")]))
    values = [
        pb.MetricValue(name=name, value=0.5, time=now(), graph_step=graph_step)
        for name, graph_step in (("rows", "data"), ("score", "hit"))
    ]
    await runner.report(lease, metrics_logged=pb.MetricsLogged(values=values))
    saved = keep(deployment, await deployment.get_job(job.id), "data")
    await runner.fail(lease, saved=(saved,))
    return job.id, saved


async def retry(deployment: Deployment, job_id: int, **fields: str) -> job_pb2.Job:
    request = job_pb.RetryJobRequest(id=job_id, from_failed=True, **fields)
    return (await deployment.jobs.RetryJob(request)).job


async def why_not(deployment: Deployment, job_id: int) -> str:
    request = job_pb.RetryJobRequest(id=job_id, from_failed=True)
    error = await refused(deployment.jobs.RetryJob(request))
    assert isinstance(error, PreconditionError), error
    return error.message


async def test_a_retry_is_given_what_the_failed_job_kept(
    parts: Deployment, runner: FakeRunner
) -> None:
    first, saved = await failed_job(parts, runner)
    assert list((await parts.get_job(first)).saved_stages) == [saved.stage]
    again = await retry(parts, first)
    assert again.retry_of == first
    assert list(again.reused_stages) == [saved.stage]
    assert list(again.saved_stages) == []
    assigned = await runner.assignment()
    assert assigned.lease.job_id == again.id
    assert list(assigned.saved_stages) == [saved]
    metrics = (await parts.jobs.ListJobMetrics(job_pb.ListJobMetricsRequest(id=again.id))).metrics
    assert [(metric.name, metric.graph_step) for metric in metrics] == [("rows", "data")]


async def test_a_retry_that_waited_is_given_the_same(parts: Deployment, runner: FakeRunner) -> None:
    first, saved = await failed_job(parts, runner)
    busy = await parts.create_job()
    lease = (await runner.assignment()).lease
    assert lease.job_id == busy.id
    again = await retry(parts, first)
    assert again.state == job_pb2.JOB_STATE_QUEUED
    await runner.finish(lease, artifacts=("scores",))
    assigned = await runner.assignment()
    assert (assigned.lease.job_id, list(assigned.saved_stages)) == (again.id, [saved])


async def test_a_retry_of_a_retry_reuses_the_first_ones_outputs(
    parts: Deployment, runner: FakeRunner
) -> None:
    first, saved = await failed_job(parts, runner)
    second = await retry(parts, first)
    await runner.fail((await runner.assignment()).lease, saved=(saved,))
    third = await retry(parts, second.id)
    assert third.retry_of == second.id
    assert list((await runner.assignment()).saved_stages) == [saved]


async def test_a_request_that_is_repeated_makes_one_retry(
    parts: Deployment, runner: FakeRunner
) -> None:
    first, saved = await failed_job(parts, runner)
    again = await retry(parts, first, request_id="once")
    parts.store.delete_below(saved.key)
    assert (await retry(parts, first, request_id="once")).id == again.id


async def test_what_cannot_be_reused_is_refused_with_the_way_out(
    parts: Deployment, runner: FakeRunner
) -> None:
    alone = await parts.create_job()
    await runner.fail((await runner.assignment()).lease)
    assert "share one stage" in await why_not(parts, alone.id)
    cancelled = await parts.create_job("parts", queue="gpu")
    await parts.jobs.CancelJob(job_pb.CancelJobRequest(id=cancelled.id))
    assert "been cancelled" in await why_not(parts, cancelled.id)
    early = await parts.create_job("parts")
    assert "only a job that has ended" in await why_not(parts, early.id)
    await runner.fail((await runner.assignment()).lease)
    assert "no stage had finished" in await why_not(parts, early.id)
    late, saved = await failed_job(parts, runner)
    parts.store.delete_below(saved.key)
    text = await why_not(parts, late)
    assert "no longer in the artifact store" in text
    assert "retry without --from-failed" in text
    missing = job_pb.RetryJobRequest(id=999, from_failed=True)
    assert isinstance(await refused(parts.jobs.RetryJob(missing)), NotFoundError)
    listed = await parts.jobs.ListJobs(job_pb.ListJobsRequest())
    assert not [job for job in listed.jobs if job.retry_of]


async def test_what_another_plan_made_is_not_reused(parts: Deployment, runner: FakeRunner) -> None:
    first, saved = await failed_job(parts, runner)
    write_index(parts.store, saved.key, SavedOutputs(plan_digest="sha256:" + "d" * 64))
    assert "another plan" in await why_not(parts, first)


async def test_what_was_kept_in_part_only_is_not_reused(
    parts: Deployment, runner: FakeRunner
) -> None:
    first, saved = await failed_job(parts, runner)
    digest = (await parts.get_job(first)).plan_digest
    write_index(parts.store, saved.key, SavedOutputs(plan_digest=digest))
    assert "no longer" in await why_not(parts, first)
    parts.store.put_blob(f"{saved.key}/index", b"damaged")
    assert "no longer" in await why_not(parts, first)


async def test_a_stage_runs_again_when_one_before_it_does(
    parts: Deployment, runner: FakeRunner
) -> None:
    first, saved = await failed_job(parts, runner)
    second = await retry(parts, first)
    hit = keep(parts, second, "hit")
    await runner.fail((await runner.assignment()).lease, saved=(saved, hit))
    assert list((await parts.get_job(second.id)).saved_stages) == [saved.stage, hit.stage]
    parts.store.delete_below(saved.key)
    assert "no longer" in await why_not(parts, second.id)


@pytest.mark.parametrize("days", [6, 8])
async def test_what_is_kept_goes_after_a_week(
    parts: Deployment, runner: FakeRunner, days: int
) -> None:
    first, saved = await failed_job(parts, runner)
    parts.store.put_blob(f"{saved_stage_folder(12345, 1, 's0')}/half", b"")
    time = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    retention = Retention(parts.database, parts.store, keep=dt.timedelta(days=7), now=lambda: time)
    deleted = await retention.sweep()
    # Of a job that does not exist, nothing is kept for any time.
    assert (saved.key in deleted, saved_stage_folder(12345, 1, "s0") in deleted) == (days > 7, True)
    assert list(list_saved(parts.store)) == ([(first, saved.key)] if days < 7 else [])
    assert bool((await parts.get_job(first)).saved_stages) == (days < 7)
    if days > 7:
        assert "not any longer" in await why_not(parts, first)


async def test_what_a_waiting_or_younger_job_needs_stays(
    parts: Deployment, runner: FakeRunner
) -> None:
    first, saved = await failed_job(parts, runner)
    second = await retry(parts, first)
    lease = (await runner.assignment()).lease
    week = dt.timedelta(days=7)
    old = dt.datetime.now(dt.UTC) - 2 * week

    async def age(job_id: int) -> None:
        change = JOBS.update().where(JOBS.c.id == job_id).values(end_time=old)
        await parts.database.write(lambda connection: connection.execute(change) and None)

    retention = Retention(
        parts.database, parts.store, keep=week, now=lambda: dt.datetime.now(dt.UTC)
    )
    await age(first)
    assert await retention.sweep() == []  # the retry runs
    await runner.fail(lease, saved=(saved,))
    assert await retention.sweep() == []  # the retry offers it
    await age(second.id)
    assert await retention.sweep() == [saved.key]
