"""Which names are allowed, and what to say when a name is not there."""

import difflib
import keyword

import sqlalchemy

from dioptra_controller.access import checks
from dioptra_ray.errors import InvalidRequestError, NotFoundError

MAX_LENGTH = 255
MAX_TEXT = 64 * 1024
BUILT_IN_TYPES = ("any", "boolean", "integer", "null", "number", "string")

# Reading all names to suggest one must stay cheap.
_MAX_SUGGESTIONS_FROM = 1000


def check_name(kind: str, name: str) -> None:
    """Check the name of an experiment, queue, entrypoint, parameter type or artifact.

    Raises:
        InvalidRequestError: It is empty, too long, or would be unreadable in a list.
    """
    if not name.strip():
        raise InvalidRequestError(f"{kind}: the name is empty")
    if len(name) > MAX_LENGTH:
        raise InvalidRequestError(f"{kind}: the name is longer than {MAX_LENGTH} characters")
    if name != name.strip() or not name.isprintable():
        raise InvalidRequestError(
            f"{kind} {name!r}: a name must not begin or end with a space, "
            "and must not hold line ends or other control characters"
        )


def check_queue_name(name: str) -> None:
    """Check the name of a queue; runners are told theirs as a list with commas."""
    check_name("queue", name)
    if "," in name:
        raise InvalidRequestError(f"queue {name!r}: the name of a queue must not hold a comma")
    if name == "*":
        raise InvalidRequestError("queue '*': a runner that serves '*' serves all queues")


def check_plugin_name(name: str) -> None:
    """Check the name of a plugin: plugin code imports it by that.

    Raises:
        InvalidRequestError: It is not an ASCII identifier of Python, or `_`, or a keyword.
    """
    check_name("plugin", name)
    if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name) or name == "_":
        raise InvalidRequestError(
            f"plugin {name!r}: the name must be a Python identifier (Latin letters, digits and "
            "underscores, not beginning with a digit, not `_` alone and not a keyword), "
            "because code imports the plugin by it"
        )


def check_type_name(name: str) -> None:
    """Check the name of a parameter type.

    Raises:
        InvalidRequestError: It is empty or a built-in type's, whatever the case.
    """
    check_name("parameter type", name)
    if name.strip().lower() in BUILT_IN_TYPES:
        raise InvalidRequestError(
            f"parameter type {name!r}: this is a built-in type; choose another name"
        )


def check_text(kind: str, text: str) -> None:
    """Check a description: bounded, and storable in every database.

    Raises:
        InvalidRequestError: It is too long or holds a NUL character.
    """
    if len(text) > MAX_TEXT:
        raise InvalidRequestError(f"{kind}: the description is longer than {MAX_TEXT} characters")
    if "\0" in text:
        raise InvalidRequestError(f"{kind}: the description holds a NUL character")


def article(kind: str) -> str:
    """The kind with "a" or "an" before it."""
    return f"an {kind}" if kind[:1] in "aeio" else f"a {kind}"


def not_found(
    connection: sqlalchemy.Connection,
    kind: str,
    column: "sqlalchemy.Column[str]",
    name: str,
) -> NotFoundError:
    """Say that there is no `kind` of that name, and which name was probably meant."""
    query = sqlalchemy.select(column).where(column.is_not(None))
    query = query.where(checks.visible(column.table.c.group_name))
    query = query.order_by(column).limit(_MAX_SUGGESTIONS_FROM)
    names = connection.execute(query).scalars().all()
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return NotFoundError(f"there is no {kind} {name!r}{hint}", kind=kind, name=name)
