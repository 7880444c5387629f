"""Archives: of requests, bounded before anything looks inside, and of the store."""

from dioptra_ray.errors import ExhaustedError, InvalidRequestError, NotFoundError
from dioptra_ray.plugins.bundle import Bundle, read_archive
from dioptra_ray.store import ArtifactStore, bundle_key

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


def keep_stored(store: ArtifactStore, bundle: Bundle) -> None:
    """Put a bundle, whose snapshot is registered by now, back if it was just collected."""
    if not store.has_blob(bundle_key(bundle.digest)):
        store.put_blob(bundle_key(bundle.digest), bundle.content)


def load_stored(store: ArtifactStore, digest: str) -> dict[str, bytes]:
    """The files of a stored plugin snapshot, by path.

    Raises:
        NotFoundError: The store has lost them.
    """
    try:
        return read_archive(store.get_blob(bundle_key(digest)))
    except NotFoundError:
        raise NotFoundError(
            f"the files of this plugin snapshot ({digest}) are not in the artifact store "
            f"{store.url}; import the plugin again",
            digest=digest,
        ) from None
