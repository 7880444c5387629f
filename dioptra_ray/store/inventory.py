"""What lies in a store, in the pieces in which it may turn out to be of no use any more."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import groupby

from dioptra_ray.store.keys import MANIFESTS, SCRATCH
from dioptra_ray.store.objects import ObjectInfo


class Kind(Enum):
    """What something in a store is for."""

    ARTIFACT = "artifact"
    """A folder with the files of one upload of an artifact."""
    MANIFEST = "manifest"
    """What makes an artifact visible."""
    BUNDLE = "bundle"
    """A plugin snapshot."""
    SCRATCH = "scratch"
    """What an attempt of a job keeps while it runs."""
    UNFINISHED = "unfinished"
    """An object that was begun, but is not complete; nobody can read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Objects of a store that are kept, or deleted, together.

    Attributes:
        kind: What they are for.
        key: The artifact, blob or scratch folder that they belong to.
        place: The object's name, or the folder that they lie in.
        objects: How many.
        size: Bytes, of all together.
        modified: When the newest was written, in seconds since 1970 by the store's clock.
        siblings: How many other folders the artifact has.
        token: How the store finds what is unfinished.
    """

    kind: Kind
    key: str
    place: str
    objects: int
    size: int
    modified: float
    siblings: int = 0
    token: str = field(default="", repr=False)


# How many parts of a name say what artifact it belongs to; the next is the upload.
_KEY_PARTS = {"artifacts": 4, "uploads": 2}


def take_stock(entries: Iterable[ObjectInfo]) -> Iterator[Stored]:
    """Put objects, sorted by name, together; those that nobody knows are left out."""
    for (kind, key), group in groupby(entries, lambda entry: _classify(entry.name)):
        if kind is None:
            continue
        if kind is Kind.ARTIFACT:
            yield from _uploads(key, group)
        else:
            # A scratch folder is one piece; of other kinds a group is one object.
            found = list(group)
            place = key if kind is Kind.SCRATCH else found[0].name
            yield _together(kind, key, place, found)


def _classify(name: str) -> tuple[Kind | None, str]:
    parts = name.split("/")
    count = _KEY_PARTS.get(parts[0])
    if count is not None and len(parts) > count + 1:
        return Kind.ARTIFACT, "/".join(parts[:count])
    if parts[0] == MANIFESTS and name.endswith(".json"):
        return Kind.MANIFEST, name[len(MANIFESTS) + 1 : -len(".json")]
    if parts[0] == "plugins":
        return Kind.BUNDLE, name
    if parts[0] == SCRATCH and len(parts) > 2:  # noqa: PLR2004 - folder, attempt, name
        return Kind.SCRATCH, "/".join(parts[:2])
    return None, ""


def _uploads(key: str, entries: Iterable[ObjectInfo]) -> list[Stored]:
    depth = key.count("/") + 2
    folders = [
        _together(Kind.ARTIFACT, key, place, list(group))
        for place, group in groupby(entries, lambda entry: "/".join(entry.name.split("/")[:depth]))
    ]
    return [replace(folder, siblings=len(folders) - 1) for folder in folders]


def _together(kind: Kind, key: str, place: str, entries: list[ObjectInfo]) -> Stored:
    return Stored(
        kind=kind,
        key=key,
        place=place,
        objects=len(entries),
        size=sum(entry.size for entry in entries),
        modified=max(entry.modified for entry in entries),
    )
