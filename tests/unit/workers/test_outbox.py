"""Reports are numbered, kept until committed, and sent again after a loss."""

from dioptra_ray.api.runner.v1 import runner_service_pb2 as pb
from dioptra_workers.runner.outbox import MAX_REPORTS, Outbox


def filled(count):
    outbox = Outbox()
    for job in range(count):
        outbox.append(pb.Report(job_id=job))
    return outbox


def numbers(reports):
    return [report.sequence for report in reports]


def test_reports_are_numbered_from_one_and_taken_once():
    outbox = filled(3)
    assert numbers(outbox.take()) == [1, 2, 3]
    assert outbox.take() == []
    assert not outbox.has_unsent
    assert outbox.append(pb.Report()) == 4
    assert numbers(outbox.take()) == [4]


def test_what_was_not_committed_is_sent_again():
    outbox = filled(5)
    outbox.take()
    outbox.acknowledge(2)
    outbox.rewind(3)
    assert numbers(outbox.take()) == [4, 5]
    outbox.acknowledge(5)
    assert len(outbox) == 0


def test_a_controller_may_know_more_than_it_acknowledged_and_less_than_was_sent():
    outbox = filled(4)
    outbox.rewind(4)
    assert (len(outbox), outbox.take()) == (0, [])
    assert outbox.append(pb.Report()) == 5


def test_acknowledging_what_was_never_sent_does_not_break_the_count():
    outbox = filled(3)
    outbox.acknowledge(2)
    assert numbers(outbox.take()) == [3]


def test_messages_are_bounded_in_number_and_size():
    outbox = filled(MAX_REPORTS + 1)
    assert len(outbox.take()) == MAX_REPORTS
    assert len(outbox.take()) == 1
    for _ in range(3):
        lines = pb.LogsAppended(lines=[pb.LogLine(message="x" * 700_000)])
        outbox.append(pb.Report(logs_appended=lines))
    assert [len(outbox.take()) for _ in range(3)] == [1, 1, 1]
