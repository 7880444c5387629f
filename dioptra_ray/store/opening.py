"""From a URL to a store."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.store.artifacts import ObjectArtifactStore
from dioptra_ray.store.directory import DirectoryObjects
from dioptra_ray.store.keys import check_key
from dioptra_ray.store.protocol import ArtifactStore
from dioptra_ray.store.settings import StoreSettings

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_FORMS = "file:///absolute/directory or s3://bucket/prefix"


def open_store(url: str, settings: StoreSettings | None = None) -> ArtifactStore:
    """The artifact store at `url`; nothing is contacted yet.

    Args:
        url: `file:///absolute/directory` or `s3://bucket/prefix`.
        settings: How an S3 store is reached; from the environment when not given.

    Raises:
        InvalidRequestError: The URL or the settings cannot be a store's.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise InvalidRequestError(
            "The URL of an artifact store must not hold credentials: set "
            "DIOPTRA_S3_ACCESS_KEY and DIOPTRA_S3_SECRET_KEY instead."
        )
    if parts.query or parts.fragment:
        raise InvalidRequestError(f"{url!r} cannot be a store: a store's URL has no ? or #.")
    if parts.scheme == "file":
        return ObjectArtifactStore(_open_directory(url, parts.netloc, unquote(parts.path)))
    if parts.scheme == "s3":
        return _open_s3(parts.netloc, parts.path.strip("/"), settings or StoreSettings.from_env())
    raise InvalidRequestError(f"{url!r} cannot be an artifact store: it must be {_FORMS}.")


def _open_directory(url: str, host: str, path: str) -> DirectoryObjects:
    if host not in ("", "localhost") or not path.startswith("/") or path == "/":
        raise InvalidRequestError(
            f"{url!r} cannot be an artifact store: write an absolute directory with three "
            "slashes, such as file:///srv/dioptra."
        )
    return DirectoryObjects(Path(path))


def _open_s3(bucket: str, prefix: str, settings: StoreSettings) -> ArtifactStore:
    from dioptra_ray.store.s3.objects import S3Objects  # noqa: PLC0415 - loads the client only when used

    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise InvalidRequestError(
            f"{bucket!r} cannot be an S3 bucket: names have 3 to 63 lower-case letters, "
            "digits, dots and hyphens."
        )
    if prefix:
        check_key(prefix)
    missing = [
        f"DIOPTRA_S3_{name.upper()}"
        for name in ("endpoint", "access_key", "secret_key")
        if not _text(settings, name)
    ]
    if missing:
        raise InvalidRequestError(f"An S3 store needs {' and '.join(missing)}.")
    return ObjectArtifactStore(S3Objects(bucket, prefix, settings))


def _text(settings: StoreSettings, name: str) -> str:
    value = getattr(settings, name)
    return value if isinstance(value, str) else str(value.get_secret_value())
