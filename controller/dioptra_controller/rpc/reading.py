"""From the bytes of a call to its request, within the limits of what a request may hold.

Not left to gRPC, which calls bytes that are no message an internal error.
"""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from dioptra_controller.limits.fields import check_request
from dioptra_ray.api.runner.v1.runner_service_pb2 import ConnectRequest
from dioptra_ray.errors import InvalidRequestError

Read = Callable[[bytes], Any]


def read_request(read: Read, content: bytes) -> Any:
    """Read a message.

    Raises:
        InvalidRequestError: It is none of the method's, or holds more than it may.
    """
    try:
        request = read(content)
    except DecodeError as error:
        raise InvalidRequestError(
            "the request is not a message of this method: its bytes are damaged, nested too "
            "deeply, or another method's"
        ) from error
    if not isinstance(request, ConnectRequest):  # whose many reports are of a trusted runner
        check_request(request)
    return request
