"""Buckets fill, empty and forget; streams are counted; who is trusted is not."""

import pytest

from dioptra_controller.access.caller import BOOTSTRAP, Caller
from dioptra_controller.limits import buckets
from dioptra_controller.limits.buckets import Buckets
from dioptra_controller.limits.traffic import Traffic, TrafficLimits
from dioptra_ray.errors import ThrottledError

ANN, BEN = Caller(subject="ann"), Caller(subject="ben")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_bucket_gives_its_burst_and_then_its_rate(clock: Clock) -> None:
    found = Buckets(2.0, 3.0, clock)
    assert [found.take("ann") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    clock.now += 0.5
    assert [found.take("ann"), found.take("ann")] == [0.0, 0.5]
    clock.now += 1000
    assert [found.take("ann") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_callers_do_not_share_buckets(clock: Clock) -> None:
    found = Buckets(1.0, 1.0, clock)
    assert [found.take("ann"), found.take("ben"), found.take("ann")] == [0.0, 0.0, 1.0]


def test_debts_are_paid_by_waiting(clock: Clock) -> None:
    found = Buckets(100.0, 100.0, clock)
    assert found.charge("ann", 300) == 2.0
    clock.now += 2.0
    assert found.charge("ann", 0) == 0.0


def test_no_rate_is_no_limit(clock: Clock) -> None:
    found = Buckets(0.0, 1.0, clock)
    assert not any(found.take("ann") for _ in range(1000))
    assert not found.charge("ann", 1e12)


def test_the_longest_idle_callers_are_forgotten(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "MOST_CALLERS", 2)
    found = Buckets(1.0, 1.0, clock)
    assert [found.take(name) for name in ("a", "b", "c")] == [0.0, 0.0, 0.0]
    assert found.take("c") == 1.0
    assert found.take("a") == 0.0


def test_changes_have_a_limit_of_their_own(clock: Clock) -> None:
    limits = TrafficLimits(calls_per_second=10, changes_per_second=1, burst_seconds=1)
    traffic = Traffic(limits, clock=clock)
    traffic.admit(ANN, changes=True)
    with pytest.raises(ThrottledError, match="too many changes: at most 1 a second") as raised:
        traffic.admit(ANN, changes=True)
    assert raised.value.retry_seconds == 1.0
    traffic.admit(ANN, changes=False)
    traffic.admit(BEN, changes=True)


def test_streams_are_counted_until_they_end() -> None:
    traffic = Traffic(TrafficLimits(streams_per_caller=1, streams=2))
    with traffic.streaming(ANN):
        with (
            pytest.raises(ThrottledError, match="'ann' has 1 streams open"),
            traffic.streaming(ANN),
        ):
            pass
        with (
            traffic.streaming(BEN),
            pytest.raises(ThrottledError, match="2 streams are open"),
            traffic.streaming(Caller(subject="eve")),
        ):
            pass
    with traffic.streaming(ANN):
        pass


def test_runners_and_operators_are_not_limited() -> None:
    limits = TrafficLimits(
        calls_per_second=1e-9,
        changes_per_second=1e-9,
        upload_bytes_per_second=1e-9,
        streams_per_caller=1,
        streams=1,
    )
    traffic = Traffic(limits)
    for _ in range(10):
        traffic.admit(BOOTSTRAP, changes=True)
    assert traffic.charge(BOOTSTRAP, 10**9) == 0.0
    with traffic.streaming(BOOTSTRAP), traffic.streaming(BOOTSTRAP):
        pass
