"""Archives in requests: bounded before anything looks inside."""

from dioptra_ray.errors import ExhaustedError, InvalidRequestError
from dioptra_ray.plugins.bundle import read_archive

MAX_ARCHIVE_BYTES = 64 * 1024 * 1024


def read_bounded(archive: bytes) -> dict[str, bytes]:
    """The files of an archive, by path.

    Raises:
        InvalidRequestError: It is missing, or no archive that we take.
        ExhaustedError: It is too large.
    """
    if not archive:
        raise InvalidRequestError("the request has no archive")
    if len(archive) > MAX_ARCHIVE_BYTES:
        raise ExhaustedError(
            f"the archive has {len(archive)} bytes; at most {MAX_ARCHIVE_BYTES} are taken. "
            "Plugins hold source files only; data belongs into artifacts"
        )
    return read_archive(archive)
