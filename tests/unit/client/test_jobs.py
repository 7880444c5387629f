"""Jobs through the client, against a real gRPC server."""

import math
import threading

import pytest

from dioptra_ray.api.controller.v1 import job_pb2, job_service_pb2
from dioptra_ray.api.types.v1.value_pb2 import Value
from dioptra_ray.client import Client
from dioptra_ray.errors import (
    InvalidDescriptionError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from dioptra_ray.language.issues import Issue
from tests.unit.client.job_messages import (
    EVENTS,
    FAILED,
    NOW,
    QUEUED,
    STARTED,
    job,
)


def test_submit_sends_everything_and_gives_a_handle(controller, client) -> None:
    controller.on("CreateJob", lambda _: job_service_pb2.CreateJobResponse(job=job()))
    submitted = client.jobs.submit(
        "train", {"eps": 0.1, "n": 3}, {"model": 4}, experiment="e", queue="q", timeout=60
    )
    request = controller.requests[0]
    assert request.parameters["eps"] == Value(number_value=0.1)
    assert request.parameters["n"] == Value(integer_value=3)
    assert request.artifact_inputs == {"model": 4}
    assert (request.experiment, request.queue, request.timeout_seconds) == ("e", "q", 60)
    assert controller.metadata[0]["authorization"] == "Bearer secret"
    assert (submitted.id, submitted.status, submitted.entrypoint) == (7, "queued", "train")


def test_submit_repeats_itself_with_the_same_request_id(controller, client) -> None:
    def fail_once(_):
        if len(controller.requests) == 1:
            raise UnavailableError("the database is locked")
        return job_service_pb2.CreateJobResponse(job=job())

    controller.on("CreateJob", fail_once)
    client.jobs.submit("train")
    first, second = (request.request_id for request in controller.requests)
    assert first == second
    assert first


def test_two_submissions_have_two_request_ids(controller, client) -> None:
    controller.on("CreateJob", lambda _: job_service_pb2.CreateJobResponse(job=job()))
    client.jobs.submit("train")
    client.jobs.submit("train")
    assert len({request.request_id for request in controller.requests}) == 2


def test_every_issue_arrives(controller, client) -> None:
    issues = [
        Issue(severity="error", code="step.cycle", message=f"problem {n}", line=n, column=1)
        for n in range(1, 200)
    ]

    def refuse(_):
        raise InvalidDescriptionError("wrong", issues)

    controller.on("CreateJob", refuse)
    with pytest.raises(InvalidDescriptionError) as caught:
        client.jobs.submit("train")
    assert list(caught.value.issues) == issues


def test_nobody_there_is_said_with_the_address() -> None:
    with Client("127.0.0.1:1", patience=0.2) as client, pytest.raises(UnavailableError) as caught:
        client.jobs.get(1)
    assert "127.0.0.1:1" in caught.value.message


def test_not_found_is_not_repeated(controller, client) -> None:
    def refuse(_):
        raise NotFoundError("there is no job 9")

    controller.on("GetJob", refuse)
    with pytest.raises(NotFoundError, match="no job 9"):
        client.jobs.get(9)
    assert len(controller.requests) == 1


def test_list_reads_all_pages(controller, client) -> None:
    def page(request):
        start = int(request.page_token or 0)
        numbers = range(start, min(start + 2, 5))
        return job_service_pb2.ListJobsResponse(
            jobs=[job(number=number) for number in numbers],
            next_page_token=str(start + 2) if start + 2 < 5 else "",
        )

    controller.on("ListJobs", page)
    assert [one.id for one in client.jobs.list(status="failed")] == [0, 1, 2, 3, 4]
    assert list(controller.requests[0].states) == [FAILED]
    assert [one.id for one in client.jobs.list(limit=3)] == [0, 1, 2]


def test_metrics_are_series_by_step(controller, client) -> None:
    metrics = [
        job_pb2.Metric(name=name, step=step, value=value, time=NOW)
        for name, step, value in [("loss", 2, 0.5), ("loss", 1, math.inf), ("acc", 0, math.nan)]
    ]
    controller.on(
        "ListJobMetrics", lambda _: job_service_pb2.ListJobMetricsResponse(metrics=metrics)
    )
    series = client.jobs.metrics(7)
    assert list(series) == ["acc", "loss"]
    assert series["loss"].values == (math.inf, 0.5)
    assert series["loss"].last == 0.5
    assert math.isnan(series["acc"].last)


def test_cancel_and_retry(controller, client) -> None:
    controller.on("CancelJob", lambda _: job_service_pb2.CancelJobResponse(job=job(STARTED)))
    controller.on("RetryJob", lambda _: job_service_pb2.RetryJobResponse(job=job(number=8)))
    assert client.jobs.cancel(7).status == "started"
    assert client.jobs.retry(7).id == 8
    assert controller.requests[1].request_id
    assert not controller.requests[1].from_failed
    controller.on(
        "RetryJob",
        lambda _: job_service_pb2.RetryJobResponse(
            job=job_pb2.Job(id=9, state=QUEUED, reused_stages=["s0"], saved_stages=["s1"])
        ),
    )
    again = client.jobs.retry(7, from_failed=True).record
    assert controller.requests[2].from_failed
    assert (again.reused_stages, again.saved_stages) == (("s0",), ("s1",))


def test_a_lost_watch_is_told_once_and_its_return_before_anything_happens(controller) -> None:
    told: list[str] = []
    back = threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        if "again" in text and "trying" not in text:
            back.set()

    def lose_connection(request, _):
        if request.after_sequence:
            # A job that says nothing for long: people want to know all the same.
            assert back.wait(30)
            yield from EVENTS[request.after_sequence :]
        else:
            yield from EVENTS[:2]
            raise UnavailableError("going down")

    controller.on("WatchJob", lose_connection)
    with Client(controller.address, patience=20.0, tell=tell) as client:
        assert len(list(client.jobs.watch(7))) == 5
    assert told == ["connection lost, trying again", "connected again"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"entrypoint": 5}, r"entrypoint must be text \(str\), not 5 \(int\)"),
        ({"entrypoint": "e", "timeout": "long"}, "timeout_seconds must be a number"),
        ({"entrypoint": "e", "artifacts": {"a": "b"}}, "artifact_inputs must be a mapping"),
        ({"entrypoint": "e", "parameters": [1]}, "must be a mapping by name"),
        ({"entrypoint": "e", "parameters": {1: 2}}, "names of values must be text"),
        ({"entrypoint": "e", "snapshot": 2**40}, "snapshot must be a whole number"),
    ],
)
def test_wrong_types_are_named_in_a_sentence(client, arguments, said) -> None:
    with pytest.raises(TypeError, match=said):
        client.jobs.submit(**arguments)


def test_a_closed_client_says_so(controller) -> None:
    client = Client(controller.address)
    client.close()
    with pytest.raises(PreconditionError, match="is closed"):
        client.jobs.get(1)
    with pytest.raises(PreconditionError, match="is closed"):
        list(client.jobs.watch(1))


def test_a_wait_that_is_over_names_its_job(controller, client) -> None:
    over = threading.Event()
    controller.on("WaitJob", lambda _: over.wait(30))
    with pytest.raises(TimeoutError, match="job 7 has not ended in time; it goes on"):
        client.jobs.wait(7, timeout=0.2)
    over.set()
