"""What all list calls and stored things have in common on the wire."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, TypeVar

import sqlalchemy

from dioptra_controller.paging import Page, PageRequest
from dioptra_controller.registry import tags
from dioptra_controller.registry.listing import Listing
from dioptra_controller.registry.snapshots import Mode
from dioptra_ray.api.controller.v1 import resource_pb2
from dioptra_ray.errors import InvalidRequestError

Tags = Mapping[int, tuple[str, ...]]

_MODES: Final[Mapping[int, Mode]] = {
    resource_pb2.PUT_MODE_UNSPECIFIED: Mode.UPSERT,
    resource_pb2.PUT_MODE_CREATE: Mode.CREATE,
    resource_pb2.PUT_MODE_UPDATE: Mode.UPDATE,
    resource_pb2.PUT_MODE_UPSERT: Mode.UPSERT,
}


class ListRequest(Protocol):
    """What requests for lists of named things have."""

    page_size: int
    page_token: str
    search: str
    order_by: str
    tag: str
    deleted: bool


class Head(Protocol):
    """What is known by the id of its head."""

    @property
    def head_id(self) -> int:
        """The id that its tags have."""


H = TypeVar("H", bound=Head)


def read_listing(request: ListRequest) -> Listing:
    """Read what a list call asks for."""
    return Listing(
        page=PageRequest(size=request.page_size, token=request.page_token),
        search=request.search,
        order_by=request.order_by,
        tag=request.tag,
        deleted=request.deleted,
    )


def read_mode(mode: int) -> Mode:
    """Read what storing may do.

    Raises:
        InvalidRequestError: There is no such mode.
    """
    if mode not in _MODES:
        raise InvalidRequestError(f"there is no put mode {mode}")
    return _MODES[mode]


def with_tags(
    connection: sqlalchemy.Connection,
    kind: str,
    load: Callable[..., H],
    *arguments: Any,
    **options: Any,
) -> tuple[H, Tags]:
    """Read one thing and its tags at one moment."""
    found = load(connection, *arguments, **options)
    return found, _tags(connection, kind, [found])


def page_with_tags(
    connection: sqlalchemy.Connection,
    kind: str,
    load: Callable[[sqlalchemy.Connection, Listing], Page[H]],
    listing: Listing,
) -> tuple[Page[H], Tags]:
    """Read a page of things and their tags at one moment."""
    found = load(connection, listing)
    return found, _tags(connection, kind, found.rows)


def _tags(connection: sqlalchemy.Connection, kind: str, rows: Iterable[Head]) -> Tags:
    return tags.load(connection, kind, [row.head_id for row in rows])
