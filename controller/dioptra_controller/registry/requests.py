"""Calls that are made once: a repeated request id gives the first call's result."""

import datetime as dt
import hashlib
from collections.abc import Callable

import sqlalchemy

from dioptra_controller.database.prepared import Prepared
from dioptra_controller.database.registry_tables import REQUESTS
from dioptra_controller.database.statements import insert_if_new
from dioptra_ray.errors import InvalidRequestError

MAX_LENGTH = 128

_FINISH = Prepared(
    REQUESTS.update()
    .where(REQUESTS.c.request_id == sqlalchemy.bindparam("request"))
    .values(result=sqlalchemy.bindparam("found"))
)


def once(
    connection: sqlalchemy.Connection,
    request_id: str,
    *,
    method: str,
    content: bytes,
    create: Callable[[], str],
) -> str:
    """Run `create` and remember its result, or return what the same request gave before.

    Args:
        connection: The transaction; the result is remembered only if it commits.
        request_id: Chosen by the caller; empty means that every call is a new one.
        method: Name of the call, such as "CreateQueue".
        content: What the call asks for; a repetition must ask for the same.
        create: Makes the thing and returns a text that finds it again, such as its id.

    Raises:
        InvalidRequestError: The id was used before for something else.
    """
    if not request_id:
        return create()
    if len(request_id) > MAX_LENGTH or "\0" in request_id:
        raise InvalidRequestError(f"request_id must be a word of at most {MAX_LENGTH} characters")
    digest = hashlib.sha256(content).hexdigest()
    row = {
        "request_id": request_id,
        "method": method,
        "digest": digest,
        "result": "",
        "create_time": dt.datetime.now(dt.UTC),
    }
    claimed = insert_if_new(connection, REQUESTS, row, unique=["request_id"])
    if claimed is None:
        return _recall(connection, request_id, method, digest)
    result = create()
    _FINISH.run(connection, {"request": request_id, "found": result})
    return result


def _recall(connection: sqlalchemy.Connection, request_id: str, method: str, digest: str) -> str:
    row = connection.execute(
        sqlalchemy.select(REQUESTS).where(REQUESTS.c.request_id == request_id)
    ).one()
    if (row.method, row.digest) != (method, digest):
        raise InvalidRequestError(
            f"request_id {request_id!r} was used before for another request ({row.method}); "
            "a new request needs a new id",
            request_id=request_id,
        )
    return str(row.result)
