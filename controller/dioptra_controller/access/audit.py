"""The audit log as it is read."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy
from sqlalchemy import select

from dioptra_controller import paging
from dioptra_controller.database.access_tables import AUDIT_RECORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One thing that somebody did, or was refused; the fields are those of the proto message."""

    id: int
    time: dt.datetime
    subject: str
    token: str
    method: str
    resource: str
    outcome: str
    request_id: str
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which records to list; empty means all."""

    subject: str = ""
    method: str = ""
    outcome: str = ""


def list_page(
    connection: sqlalchemy.Connection, page: paging.PageRequest, wanted: AuditFilter
) -> paging.Page[AuditRecord]:
    """One page of records, the newest first."""
    size = paging.page_size(page.size)
    given = {"subject": wanted.subject, "method": wanted.method, "outcome": wanted.outcome}
    bound = ("audit", *given.values())
    after = paging.decode(page.token, *bound)
    table = AUDIT_RECORDS
    query = select(table).order_by(table.c.id.desc()).limit(size + 1)
    for column, value in given.items():
        if value:
            query = query.where(table.c[column] == value)
    if after is not None:
        query = query.where(table.c.id < after[0])
    rows = [AuditRecord(**row) for row in connection.execute(query).mappings()]
    return paging.slice_page(rows, size, *bound, key=lambda row: [row.id])
