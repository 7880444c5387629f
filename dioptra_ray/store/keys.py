"""Names of things in the artifact store, and the check that keeps them inside of it."""

import re

from dioptra_ray.errors import InvalidRequestError

MANIFESTS = "manifests"
SCRATCH = "scratch"
_PLAIN_PART = re.compile(r"[A-Za-z0-9_.@=+,:~ -]+|[^\x00-\x1f\x7f/\\]+")
_LONGEST_KEY = 700


def bundle_key(digest: str) -> str:
    """Where the bundle of a plugin snapshot lies."""
    return check_key(f"plugins/{digest.removeprefix('sha256:')}.tar.gz")


def artifact_key(job_id: int, attempt: int, name: str, *, try_number: int = 1) -> str:
    """Where an artifact output lies of one try of a stage, in one attempt of a job.

    Each try has its own place: one whose node was cut off may still write, or remove what it
    has written, long after another try has taken over.
    """
    tried = f".{try_number}" if try_number > 1 else ""
    return check_key(f"artifacts/{job_id}/{attempt}{tried}/{name}")


def check_key(key: str) -> str:
    """Return `key` when it names one place below the store's root.

    Raises:
        InvalidRequestError: It is empty, absolute, too long, climbs with "..", or has
            characters that a store cannot keep.
    """
    parts = key.split("/")
    if len(key.encode(errors="replace")) > _LONGEST_KEY:
        raise InvalidRequestError(f"A store key has at most {_LONGEST_KEY} bytes: {key[:80]}...")
    if not all(part not in ("", ".", "..") and _PLAIN_PART.fullmatch(part) for part in parts):
        raise InvalidRequestError(
            f"{key!r} cannot be a store key: it must be a relative path of plain names, "
            'separated by "/", without "." or "..".'
        )
    if not _is_unicode(key):
        raise InvalidRequestError(f"{key!r} cannot be a store key: it is not valid Unicode.")
    if parts[0] == MANIFESTS or parts[0].startswith("."):
        raise InvalidRequestError(
            f"{key!r} cannot be a store key: the store keeps names that begin with "
            f'"{MANIFESTS}/" or "." for itself.'
        )
    return key


def manifest_key(key: str) -> str:
    """Where the manifest of the artifact `key` lies."""
    return f"{MANIFESTS}/{check_key(key)}.json"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
