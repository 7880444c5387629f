"""Writing the audit log: in the very transaction of what is done, neither without the other.

A call that changes something opens an entry; the first transaction that it commits takes the
entry along. Refusals, and calls that had nothing to write, are written on their own.
"""

import datetime as dt
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import sqlalchemy
import structlog

from dioptra_controller.access.caller import Caller
from dioptra_controller.database.access_tables import AUDIT_RECORDS
from dioptra_controller.database.engine import Database
from dioptra_controller.database.prepared import Prepared
from dioptra_ray.errors import DioptraError

OK = "ok"
_LONGEST = 512
# What changes who may do what; a line for each job would cost as much as the job.
_ALWAYS_LOGGED = "AccessService/"
_VERB = re.compile(r"^(Create|Put|Update|Delete|Cancel|Retry|Revoke|Sync|Publish)")
_WORD = re.compile(r"(?<!^)(?=[A-Z])")
_INSERT = Prepared(sqlalchemy.insert(AUDIT_RECORDS))

_log = structlog.get_logger("dioptra_controller.audit")


@dataclass(slots=True, kw_only=True)
class Entry:
    """What one call will leave in the log.

    Attributes:
        caller: Who.
        method: Service and method.
        resource: What it is done to.
        request_id: Of the call.
        peer: Where it came from.
        is_written: Whether it is in the log.
    """

    caller: Caller
    method: str
    resource: str
    request_id: str
    peer: str
    is_written: bool = False

    def row(self, outcome: str) -> dict[str, Any]:
        """As a row of the log."""
        return {
            "time": dt.datetime.now(dt.UTC),
            "subject": self.caller.subject,
            "token": self.caller.token,
            "method": self.method,
            "resource": self.resource[:_LONGEST].replace("\0", ""),
            "outcome": outcome,
            "request_id": self.request_id,
            "peer": self.peer,
        }


_ENTRY: ContextVar[Entry | None] = ContextVar("audit_entry", default=None)


def begin(entry: Entry) -> None:
    """From here on, what this call commits is done by it."""
    _ENTRY.set(entry)


def about(resource: str) -> None:
    """Say what the call is about, where that is known better than from its request."""
    entry = _ENTRY.get()
    if entry is not None:
        entry.resource = resource


def append(connection: sqlalchemy.Connection) -> None:
    """Take the entry of the present call along; `Database` calls this before each commit."""
    entry = _ENTRY.get()
    if entry is not None and not entry.is_written:
        _INSERT.run(connection, entry.row(OK))
        entry.is_written = True


async def finish(database: Database, entry: Entry, outcome: str) -> None:
    """Write what no transaction has taken along: a refusal, or that nothing was to be done."""
    row = entry.row(outcome)
    if outcome != OK or entry.method.startswith(_ALWAYS_LOGGED):
        _log.info("call.audited", **_loggable(row))
    if outcome == OK and entry.is_written:
        return
    entry.is_written = True
    try:
        await database.write(_insert, row)
    except DioptraError as error:
        # The caller hears what he would hear anyway; the line above is in the log.
        _log.warning("audit.not_written", message=error.message)


def describe(method: str, request: Any) -> str:
    """What a request is about, such as "queue gpu" or "job 17"."""
    noun = _WORD.sub(" ", _VERB.sub("", method.rpartition("/")[2])).lower()
    fields = getattr(getattr(request, "DESCRIPTOR", None), "fields_by_name", {})
    if "resource" in fields:
        kind = fields["resource"].message_type.fields_by_name["kind"]
        number = request.resource.kind
        known = kind.enum_type.values_by_number.get(number)
        word = known.name.removeprefix("RESOURCE_KIND_").lower() if known else str(number)
        return f"{word} {request.resource.name}"
    for name in ("name", "id", "entrypoint"):
        if name in fields:
            what = "entrypoint" if name == "entrypoint" else noun
            return f"{what} {getattr(request, name)}"
    return ""


def _insert(connection: sqlalchemy.Connection, row: dict[str, Any]) -> None:
    _INSERT.run(connection, row)


def _loggable(row: dict[str, Any]) -> dict[str, Any]:
    # These are bound to every line of the call already.
    return {name: row[name] for name in ("token", "resource", "outcome", "peer")}
