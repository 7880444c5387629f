"""Times survive the wire to the microsecond."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from dioptra_ray.api.controller.v1.job_pb2 import Job
from dioptra_ray.errors import InvalidRequestError
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


beyond = st.one_of(st.integers(-(2**63), -62_135_596_801), st.integers(253_402_300_800, 2**63 - 1))


@given(beyond, st.integers(0, 999_999_999))
def test_no_other_time_is_a_crash(seconds: int, nanos: int) -> None:
    with pytest.raises(InvalidRequestError, match=str(seconds)):
        from_timestamp(Timestamp(seconds=seconds, nanos=nanos))
