"""Watching jobs through a client: resumed, given up, and cancelled in good order."""

import threading

import pytest

from dioptra_ray.api.controller.v1 import job_pb2, job_service_pb2
from dioptra_ray.api.types.v1.failure_pb2 import Failure
from dioptra_ray.client import Client, JobEvent, LogRecord
from dioptra_ray.errors import (
    NotFoundError,
    OutOfRangeError,
    UnavailableError,
)
from tests.unit.client.job_messages import EVENTS, FAILED, NOW, STARTED, job


def test_watch_ends_with_the_job(controller, client) -> None:
    controller.on("WatchJob", lambda request, _: iter(EVENTS[request.after_sequence :]))
    events = list(client.jobs.watch(7))
    assert [event.sequence for event in events] == [1, 2, 3, 4, 5]
    assert [event.step.status for event in events if event.step] == ["running", "finished"]
    assert events[-1].job.status == "finished"
    assert len(controller.requests) == 1


def test_watch_resumes_after_the_last_event(controller, client) -> None:
    def lose_connection(request, _):
        after = request.after_sequence
        yield from EVENTS[after : after + 2]
        if after < 4:
            raise UnavailableError("going down")

    controller.on("WatchJob", lose_connection)
    assert [event.sequence for event in client.jobs.watch(7)] == [1, 2, 3, 4, 5]
    assert [request.after_sequence for request in controller.requests] == [0, 2, 4]


def test_watch_survives_a_new_server(controller, client) -> None:
    def stay(_, context):
        yield from EVENTS[:2]
        reached.set()
        done = threading.Event()
        context.add_callback(done.set)
        done.wait(30)

    reached = threading.Event()
    controller.on("WatchJob", stay)
    events = client.jobs.watch(7)
    assert next(events).sequence == 1
    assert reached.wait(30)
    address = controller.address
    controller.stop()
    controller.on("WatchJob", lambda request, _: iter(EVENTS[request.after_sequence :]))
    controller.start(address)
    assert [event.sequence for event in events] == [2, 3, 4, 5]


def test_watching_after_the_end_ends_at_once(controller, client) -> None:
    controller.on("WatchJob", lambda request, _: iter(EVENTS[request.after_sequence :]))
    assert list(client.jobs.watch(7, after=5)) == []
    assert len(controller.requests) == 1


def test_a_server_that_goes_after_the_last_event_is_not_missed(controller, client) -> None:
    def go(_, __):
        yield from EVENTS
        raise UnavailableError("going down")

    controller.on("WatchJob", go)
    assert len(list(client.jobs.watch(7))) == 5
    assert len(controller.requests) == 1


def test_watch_gives_up_when_patience_ends(controller) -> None:
    def refuse(_, __):
        raise UnavailableError("never")

    controller.on("WatchJob", refuse)
    with (
        Client(controller.address, patience=0.3) as client,
        pytest.raises(UnavailableError, match="never"),
    ):
        list(client.jobs.watch(7))


def test_watch_says_what_cannot_be_resumed(controller, client) -> None:
    def refuse(_, __):
        raise OutOfRangeError("beyond the newest event")

    controller.on("WatchJob", refuse)
    with pytest.raises(OutOfRangeError):
        list(client.jobs.watch(7, after=100))


def test_an_abandoned_watch_is_cancelled(controller, client) -> None:
    ended = threading.Event()

    def go_on(_, context):
        context.add_callback(ended.set)
        yield EVENTS[0]
        ended.wait(30)

    controller.on("WatchJob", go_on)
    events = client.jobs.watch(7)
    next(events)
    events.close()
    assert ended.wait(30)


def test_wait_ends_in_time(controller, client) -> None:
    controller.on("WaitJob", lambda _: job_service_pb2.WaitJobResponse(job=job(STARTED)))
    controller.on("GetJob", lambda _: job_service_pb2.GetJobResponse(job=job(STARTED)))
    with pytest.raises(TimeoutError):
        client.jobs.get(7).wait(timeout=0.3)


def test_wait_asks_again_until_the_job_has_ended(controller) -> None:
    def answer(_):
        state = next(states)
        if state is None:
            raise UnavailableError("going down")
        return job_service_pb2.WaitJobResponse(job=job(state))

    states = iter([STARTED, None, STARTED, FAILED])
    told: list[str] = []
    controller.on("WaitJob", answer)
    with Client(controller.address, patience=20.0, tell=told.append) as client:
        assert client.jobs.wait(7).status == "failed"
    assert len(controller.requests) == 4
    assert told == ["connection lost, trying again", "connected again"]


def test_wait_gives_up_when_patience_ends(controller) -> None:
    def refuse(_):
        raise UnavailableError("never")

    controller.on("WaitJob", refuse)
    with (
        Client(controller.address, patience=0.3) as client,
        pytest.raises(UnavailableError, match="never"),
    ):
        client.jobs.wait(7)


def test_wait_returns_the_whole_job(controller, client) -> None:
    steps = [job_pb2.Step(name="a", task="t", state=job_pb2.STEP_STATE_FAILED)]
    failure = Failure(
        reason="STEP_RAISED", step="a", error_type="ValueError", file="p/x.py", line=3
    )
    ended = job(FAILED, steps=steps, failure=failure)
    controller.on("GetJob", lambda _: job_service_pb2.GetJobResponse(job=job(STARTED)))
    controller.on("WaitJob", lambda _: job_service_pb2.WaitJobResponse(job=ended))
    found = client.jobs.get(7).wait()
    assert found.status == "failed"
    assert found.steps["a"].status == "failed"
    assert (found.failure.step, found.failure.error_type, found.failure.line) == (
        "a",
        "ValueError",
        3,
    )


def records(*sequences):
    return job_service_pb2.WatchJobLogsResponse(
        records=[
            job_pb2.LogRecord(sequence=n, time=NOW, level="INFO", message=f"line {n}")
            for n in sequences
        ]
    )


def test_logs_are_watched_and_resumed(controller, client) -> None:
    def lose_connection(request, _):
        if request.after_sequence == 0:
            yield records(1, 2)
            raise UnavailableError("going down")
        yield records(3)

    controller.on("WatchJobLogs", lose_connection)
    assert [record.message for record in client.jobs.watch_logs(7)] == [
        "line 1",
        "line 2",
        "line 3",
    ]


def test_follow_gives_events_and_lines_of_both_streams(controller, client) -> None:
    controller.on("WatchJob", lambda _, __: iter(EVENTS))
    controller.on("WatchJobLogs", lambda _, __: iter([records(1, 2), records(3)]))
    items = list(client.jobs.follow(7))
    assert [one.sequence for one in items if isinstance(one, JobEvent)] == [1, 2, 3, 4, 5]
    assert [one.sequence for one in items if isinstance(one, LogRecord)] == [1, 2, 3]


def test_an_abandoned_follow_cancels_both_streams(controller, client) -> None:
    ended = [threading.Event(), threading.Event()]

    def go_on(event, first):
        def handler(_, context):
            context.add_callback(event.set)
            yield first
            event.wait(30)

        return handler

    controller.on("WatchJob", go_on(ended[0], EVENTS[0]))
    controller.on("WatchJobLogs", go_on(ended[1], records(1)))
    items = client.jobs.follow(7)
    next(items)
    next(items)
    items.close()
    assert all(event.wait(30) for event in ended)


def test_follow_says_what_went_wrong_in_either_stream(controller, client) -> None:
    def refuse(_, __):
        raise NotFoundError("there is no job 7")

    controller.on("WatchJob", lambda _, __: iter(EVENTS))
    controller.on("WatchJobLogs", refuse)
    with pytest.raises(NotFoundError):
        list(client.jobs.follow(7))
