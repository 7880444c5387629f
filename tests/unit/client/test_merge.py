"""Streams read as one."""

import datetime as dt
import threading

import pytest

from dioptra_ray.client.merge import merge

PATIENT = {"quiet": 30.0, "longest": 30.0}


def at(second: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(second, dt.UTC)


def test_what_lies_behind_is_sorted_by_time_whichever_stream_is_faster() -> None:
    first_is_done = threading.Event()

    def fast(_):
        yield from (1.0, 4.0, 5.0)
        first_is_done.set()

    def slow(_):
        assert first_is_done.wait(30)
        yield from (2.0, 3.0, 6.0)

    assert list(merge(fast, slow, time_of=at, **PATIENT)) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_a_stream_keeps_its_order_even_if_its_clock_goes_back() -> None:
    items = [("a", 5.0), ("b", 1.0), ("c", 6.0)]
    merged = list(
        merge(
            lambda _: iter(items),
            lambda _: iter([("x", 2.0), ("y", 5.5)]),
            time_of=lambda item: at(item[1]),
            **PATIENT,
        )
    )
    assert [name for name, _ in merged] == ["x", "a", "b", "y", "c"]


def test_a_silent_stream_holds_nothing_up() -> None:
    told = threading.Event()

    def silent(_):
        assert told.wait(30)
        yield 9.0

    items = merge(lambda _: iter([1.0]), silent, time_of=at, quiet=0.01)
    assert next(items) == 1.0
    told.set()
    assert list(items) == [9.0]


def test_what_came_before_an_error_is_told() -> None:
    def broken(_):
        yield 1.0
        raise ValueError("lost")

    items = merge(broken, time_of=at, **PATIENT)
    assert next(items) == 1.0
    with pytest.raises(ValueError, match="lost"):
        next(items)
