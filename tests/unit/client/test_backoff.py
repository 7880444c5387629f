"""How the client waits, and when it stops waiting."""

from dioptra_ray.client.backoff import FIRST_DELAY, LONGEST_DELAY, Backoff


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_delays_grow_to_a_limit_and_end_with_patience() -> None:
    clock = Clock()
    backoff = Backoff(patience=60.0, sleep=clock.sleep, clock=clock.time)
    while backoff.wait():
        pass
    assert clock.now == 60.0
    assert clock.slept[0] <= FIRST_DELAY
    assert max(clock.slept) <= LONGEST_DELAY
    assert max(clock.slept) > LONGEST_DELAY / 2


def test_success_starts_over() -> None:
    clock = Clock()
    backoff = Backoff(patience=10.0, sleep=clock.sleep, clock=clock.time)
    while clock.now < 9.0:
        assert backoff.wait()
    backoff.succeeded()
    clock.slept.clear()
    assert backoff.wait()
    assert clock.slept[0] <= FIRST_DELAY


def test_no_patience_never_waits() -> None:
    clock = Clock()
    assert not Backoff(patience=0.0, sleep=clock.sleep, clock=clock.time).wait()
    assert clock.slept == []
