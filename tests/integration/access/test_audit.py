"""Who did what is kept, with what was done or refused."""

import asyncio
import datetime as dt

import pytest

from dioptra_controller.access import audit_retention
from dioptra_controller.access.audit_retention import AuditRetention
from dioptra_controller.registry import experiments
from dioptra_ray.api.controller.v1.job_service_pb2 import WatchJobRequest
from dioptra_ray.errors import InternalError, UnauthenticatedError

RUN = {"entrypoint": "red_entry", "experiment": "red_experiment", "queue": "red_queue"}


async def read(world, **wanted):
    (page,) = await world.call("bootstrap", "ListAuditRecords", wanted)
    return page.records


async def test_what_is_done_is_kept_with_who_did_it(world):
    (made,) = await world.call("submitter", "CreateJob", RUN)
    (newest,) = await read(world, subject="submitter")
    assert newest.method == "JobService/CreateJob"
    assert newest.resource == f"job {made.job.id} of entrypoint red_entry"
    assert (newest.outcome, newest.token) == ("ok", "submitter")
    assert newest.request_id
    assert newest.peer.startswith("ipv4:127.0.0.1:")
    assert newest.HasField("time")


async def test_a_refusal_is_kept_also_of_who_only_looks(world):
    await world.refusal("viewer", "CreateJob", RUN)
    await world.refusal("viewer", "ListAuditRecords", {})
    await world.refusal("submitter", "CancelJob", {"id": 12345})
    await world.refusal("forger", "CreateJob", RUN)
    found = [(one.subject, one.method, one.resource, one.outcome) for one in await read(world)]
    assert found[:3] == [
        ("submitter", "JobService/CancelJob", "job 12345", "NOT_FOUND"),
        ("viewer", "AccessService/ListAuditRecords", "", "PERMISSION_DENIED"),
        ("viewer", "JobService/CreateJob", "entrypoint red_entry", "PERMISSION_DENIED"),
    ]


async def test_looking_leaves_no_trace(world):
    before = len(await read(world))
    await world.call("viewer", "ListJobs", {})
    await world.call("viewer", "WatchJob", {"id": world.ids["job"]})
    assert len(await read(world)) == before


async def test_no_secret_is_in_it(world):
    await world.make_token("secretive", [("red", "viewer")])
    records = await read(world, method="AccessService/CreateToken", page_size=1)
    assert records[0].resource == "token secretive"
    assert world.secrets["secretive"] not in str(records)


async def test_what_is_not_committed_is_not_said_to_be_done(world, monkeypatch):
    def explode(*_arguments, **_options):
        raise RuntimeError("half-way")

    create = experiments.create

    def create_and_explode(connection, *arguments, **options):
        create(connection, *arguments, **options)
        explode()

    monkeypatch.setattr(experiments, "create", create_and_explode)
    error = await world.refusal("submitter", "CreateExperiment", {"name": "half"})
    assert isinstance(error, InternalError)
    outcomes = [one.outcome for one in await read(world, subject="submitter")]
    assert outcomes == ["INTERNAL"]


async def test_old_records_go_and_new_ones_stay(world, controller, monkeypatch):
    monkeypatch.setattr(audit_retention, "BATCH", 2)
    retention = AuditRetention(controller.database, keep=dt.timedelta(days=1))
    count = len(await read(world))
    now = dt.datetime.now(dt.UTC)
    assert await retention.sweep(now) == 0
    assert await retention.sweep(now + dt.timedelta(days=2)) == count
    assert await read(world) == []


async def test_pages_and_filters(world):
    everything = await read(world, page_size=1000)
    (page,) = await world.call("bootstrap", "ListAuditRecords", {"page_size": 2})
    (more,) = await world.call(
        "bootstrap", "ListAuditRecords", {"page_size": 2, "page_token": page.next_page_token}
    )
    assert [*page.records, *more.records] == list(everything[:4])
    assert {one.outcome for one in await read(world, outcome="ok")} == {"ok"}


async def test_a_stream_says_nothing_more_once_its_token_has_ended(world):
    (made,) = await world.call("submitter", "CreateJob", RUN)
    method = world.channel.unary_stream(
        "/dioptra_ray.api.controller.v1.JobService/WatchJob",
        request_serializer=lambda message: message.SerializeToString(),
    )
    token = world.secrets["viewer"]
    watch = method(WatchJobRequest(id=made.job.id), metadata=[("authorization", f"Bearer {token}")])
    await watch.read()
    await world.call("admin", "RevokeToken", {"name": "viewer"})
    await world.call("submitter", "CancelJob", {"id": made.job.id})
    with pytest.raises(Exception, match="revoked"):
        await watch.read()
    assert isinstance(await world.refusal("viewer", "GetCaller", {}), UnauthenticatedError)


async def test_a_long_wait_says_nothing_once_its_token_has_ended(world):
    (made,) = await world.call("submitter", "CreateJob", RUN)
    waiting = asyncio.create_task(
        world.refusal("viewer", "WaitJob", {"id": made.job.id, "seconds": 1.5})
    )
    # Heard after the wait has begun: the calls of one channel are taken in order.
    await world.call("viewer", "GetCaller", {})
    await world.call("admin", "RevokeToken", {"name": "viewer"})
    assert isinstance(await waiting, UnauthenticatedError)
