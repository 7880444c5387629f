"""Times on the wire: aware UTC datetimes here, protobuf timestamps there."""

from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from dioptra_ray.errors import InvalidRequestError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_timestamp(time: datetime) -> Timestamp:
    """Write a time; a naive one is taken as UTC."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    microseconds = (aware - _EPOCH) // _MICROSECOND
    seconds, rest = divmod(microseconds, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def from_timestamp(timestamp: Timestamp) -> datetime:
    """Read a time, to the microsecond, as an aware UTC datetime.

    Raises:
        InvalidRequestError: It is before the year 1 or after the year 9999.
    """
    try:
        since = timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1_000)
        return _EPOCH + since
    except OverflowError:
        raise InvalidRequestError(
            f"{timestamp.seconds} s after 1970 is no time between the years 1 and 9999"
        ) from None


def find_time(message: Message, field: str) -> datetime | None:
    """Read the timestamp field of a message; None when it is absent."""
    return from_timestamp(getattr(message, field)) if message.HasField(field) else None
