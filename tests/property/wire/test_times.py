"""Times survive the wire to the microsecond."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from dioptra_ray.api.controller.v1.job_pb2 import Job
from dioptra_ray.wire.times import find_time, from_timestamp, to_timestamp

zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])
times = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001 - Hypothesis wants naive bounds
    max_value=datetime(9999, 12, 1),  # noqa: DTZ001
    timezones=zones,
)


@given(times)
def test_round_trip(time: datetime) -> None:
    back = from_timestamp(to_timestamp(time))
    assert back == time
    assert back.tzinfo is UTC


def test_an_absent_time_is_none() -> None:
    assert find_time(Job(), "create_time") is None
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert find_time(Job(create_time=to_timestamp(now)), "create_time") == now
